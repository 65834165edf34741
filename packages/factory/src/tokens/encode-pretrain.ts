// In: texts to be continued. Out: blocks of ids (packing) or one row per text. LLaMA-Factory's pretrain.py: text + eos;
// joined and cut into blocks of cutoff_len within each group, the remainder dropped.
import { FactoryError } from '#factory/errors.ts';
import { type EncodedExample, IGNORE_INDEX } from '#factory/records/encoded.ts';
import type { Example, RowIssue } from '#factory/records/message.ts';
import type { TextTokenizer } from '#factory/records/tokenizer.ts';
import type { EncodedRows, EncodePlan, EncodeProgress } from './encode-plan.ts';

export function encodePretrainRows(
  examples: Example[],
  plan: EncodePlan,
  onProgress?: EncodeProgress,
): EncodedRows {
  const issues: RowIssue[] = [];
  const rows: EncodedExample[] = [];
  let used = 0;
  const end = endText(plan);
  for (let from = 0; from < examples.length; from += plan.groupRows) {
    const group = examples.slice(from, from + plan.groupRows);
    const texts: { example: Example; ids: number[] }[] = [];
    for (const example of group) {
      const text = example.prompt[0]?.content ?? '';
      if (text === '') issues.push(issueOf(example, 'dropped', 'empty_text', 'the text is empty'));
      else texts.push({ example, ids: plan.tokenizer.encode(text + end) });
    }
    used += plan.packing ? cutBlocks(texts, plan, rows, issues) : keepRows(texts, plan, rows, issues);
    onProgress?.(Math.min(from + plan.groupRows, examples.length), examples.length);
  }
  return { rows, issues, used };
}

interface TextIds {
  example: Example;
  ids: number[];
}

/** One row per text, cut at the tail. */
function keepRows(texts: TextIds[], plan: EncodePlan, rows: EncodedExample[], issues: RowIssue[]): number {
  const { bosId, addsBos } = plan.tokenizer;
  let used = 0;
  for (const { example, ids } of texts) {
    const all = addsBos && bosId !== null ? [bosId, ...ids] : ids;
    const kept = all.slice(0, plan.cutoffLen);
    const row = labelled(kept, plan);
    if (row.labels.subarray(1).every((label) => label === IGNORE_INDEX)) {
      issues.push(issueOf(example, 'dropped', 'no_labels', 'the text has no token to learn'));
      continue;
    }
    if (kept.length < all.length) {
      issues.push(issueOf(example, 'truncated', 'cutoff_len', `${all.length} tokens cut to ${kept.length}`));
    }
    used++;
    rows.push(row);
  }
  return used;
}

/** All texts of the group as one stream, cut into full blocks; what does not fill a block at the end is dropped. */
function cutBlocks(texts: TextIds[], plan: EncodePlan, rows: EncodedExample[], issues: RowIssue[]): number {
  const { bosId, addsBos } = plan.tokenizer;
  const size = plan.cutoffLen;
  const stream: number[] = [];
  for (const { ids } of texts) for (const id of ids) stream.push(id);
  const kept = Math.floor(stream.length / size) * size;
  for (let at = 0; at < kept; at += size) {
    const block = stream.slice(at, at + size);
    if (addsBos && bosId !== null) block[0] = bosId;
    rows.push(labelled(block, plan));
  }
  let used = 0;
  let end = 0;
  for (const { example, ids } of texts) {
    const start = end;
    end += ids.length;
    if (start >= kept) {
      const detail = `its ${ids.length} tokens are in the remainder that does not fill a block of ${size}`;
      issues.push(issueOf(example, 'dropped', 'packing_remainder', detail));
      continue;
    }
    used++;
    if (end > kept) {
      const detail = `${ids.length} tokens cut to ${kept - start}: the rest does not fill a block of ${size}`;
      issues.push(issueOf(example, 'truncated', 'packing_remainder', detail));
    }
  }
  return used;
}

/**
 * Every id is its own label, but for the pad id: Hugging Face's language-modelling collator takes it for padding, so eos
 * is not learned where it is also the pad.
 */
function labelled(ids: number[], plan: EncodePlan): EncodedExample {
  const inputIds = Int32Array.from(ids);
  const padId = plan.template?.padId ?? plan.tokenizer.padId ?? plan.tokenizer.eosId;
  return { inputIds, labels: inputIds.map((id) => (id === padId ? IGNORE_INDEX : id)) };
}

/** The text of the separator; the llama3 template ends documents with another token than turns. */
function endText({ template, tokenizer }: EncodePlan): string {
  if (template?.name === 'llama3' && tokenizer.tokenToId('<|end_of_text|>') !== null)
    return '<|end_of_text|>';
  const id = template?.eosId ?? tokenizer.eosId ?? tokenizer.tokenToId('<|endoftext|>');
  const text = id === null ? null : tokenizer.idToToken(id);
  if (text === null) throw noEos(tokenizer);
  return text;
}

function noEos(tokenizer: TextTokenizer): FactoryError {
  return new FactoryError({
    code: 'TOKENS_VOCABULARY',
    message: `the tokenizer of ${tokenizer.size} tokens names no eos token, so documents cannot be separated`,
    remedy: 'Set eos_token in tokenizer_config.json to the token that ends a document.',
  });
}

function issueOf(example: Example, kind: RowIssue['kind'], reason: string, detail: string): RowIssue {
  return { source: example.source, kind, reason, detail };
}
