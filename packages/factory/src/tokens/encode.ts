// In: rows in normal form, a template and a tokenizer. Out: token ids with labels, and an issue for every row that was
// cut or dropped. Ids, labels, truncation and packing are LLaMA-Factory's; no padding is added (the batch does that).
import { createHash } from 'node:crypto';
import { FactoryError } from '#factory/errors.ts';
import type { ChatTemplate } from '#factory/records/chat-template.ts';
import { type EncodedDataset, type EncodedExample, IGNORE_INDEX } from '#factory/records/encoded.ts';
import type { Example, RowIssue } from '#factory/records/message.ts';
import { encodeFeedbackRows, encodePairRows } from './encode-answers.ts';
import {
  type EncodedRows,
  type EncodeOptions,
  type EncodePlan,
  type EncodeProgress,
  planEncoding,
} from './encode-plan.ts';
import { encodePretrainRows } from './encode-pretrain.ts';
import { encodePromptRows } from './encode-prompts.ts';
import { packRows } from './knapsack.ts';
import { fitTurns } from './truncate.ts';

export type { EncodeOptions };

export interface EncodeResult {
  dataset: EncodedDataset;
  issues: RowIssue[];
}

/** Rows between two calls of the progress listener. */
const PROGRESS_ROWS = 64;

/**
 * @throws FactoryError ARGS_CONFLICT, or TOKENS_NO_LABELS when no row is left to train on
 */
export function encodeRows(
  examples: Example[],
  options: EncodeOptions,
  onProgress?: EncodeProgress,
): EncodeResult {
  const plan = planEncoding(options);
  const { rows, issues, used, isDesirable } = ENCODERS[options.stage](examples, plan, onProgress);
  if (rows.length === 0) throw nothingLeft(examples, issues, plan);
  return {
    dataset: {
      examples: rows,
      sequencesPerRow: PAIRED.has(options.stage) ? 2 : 1,
      ...(isDesirable ? { isDesirable } : {}),
      fingerprint: encodingFingerprint(examples, options),
      totals: {
        used,
        repaired: 0,
        truncated: issues.filter((issue) => issue.kind === 'truncated').length,
        dropped: issues.filter((issue) => issue.kind === 'dropped').length,
        tokens: rows.reduce((sum, row) => sum + row.inputIds.length, 0),
        labelTokens: rows.reduce((sum, row) => sum + countLabels(row.labels, row.starts), 0),
      },
    },
    issues,
  };
}

const PAIRED: ReadonlySet<EncodeOptions['stage']> = new Set(['rm', 'dpo', 'kto']);

const ENCODERS = {
  pt: encodePretrainRows,
  sft: encodeChatRows,
  rm: encodePairRows,
  dpo: encodePairRows,
  kto: encodeFeedbackRows,
  ppo: encodePromptRows,
  grpo: encodePromptRows,
};

/** Identity of what `encodeRows` would give, without encoding: content, template, tokenizer and settings. */
export function encodingFingerprint(examples: Example[], options: EncodeOptions): string {
  const plan = planEncoding(options);
  const hash = createHash('sha256').update('encoding 1\n');
  const settings = {
    stage: plan.stage,
    template: plan.template?.fingerprint ?? null,
    tokenizer: plan.tokenizer.fingerprint,
    cutoffLen: plan.cutoffLen,
    trainOnPrompt: plan.trainOnPrompt,
    maskHistory: plan.maskHistory,
    packing: plan.packing,
    groupRows: plan.packing || plan.stage === 'kto' ? plan.groupRows : null,
    ...(plan.packing && plan.neatPacking ? { neatPacking: true } : {}),
  };
  hash.update(`${JSON.stringify(settings)}\n`);
  for (const { prompt, response, system, tools } of examples) {
    const texts = [...prompt, ...response].flatMap(({ role, content }) => [role, content]);
    hash.update(`${JSON.stringify([prompt.length, ...texts, system, tools])}\n`);
  }
  return hash.digest('hex');
}

function encodeChatRows(examples: Example[], plan: EncodePlan, onProgress?: EncodeProgress): EncodedRows {
  const issues: RowIssue[] = [];
  const rows: EncodedExample[] = [];
  let group: EncodedExample[] = [];
  let used = 0;
  for (const [i, example] of examples.entries()) {
    const row = encodeChatRow(example, plan, issues);
    if (row) {
      used++;
      group.push(row);
    }
    // Groups are counted in input rows, as the original's map batches are.
    if ((i + 1) % plan.groupRows === 0 || i === examples.length - 1) {
      for (const packed of plan.packing ? packGroup(group, plan) : group) rows.push(packed);
      group = [];
    }
    if ((i + 1) % PROGRESS_ROWS === 0 || i === examples.length - 1) onProgress?.(i + 1, examples.length);
  }
  return { rows, issues, used };
}

/** One row as ids and labels, or null with an issue. */
function encodeChatRow(example: Example, plan: EncodePlan, issues: RowIssue[]): EncodedExample | null {
  const template = plan.template as ChatTemplate;
  const drop = (reason: string, detail: string, field?: string) => {
    issues.push({ source: example.source, kind: 'dropped', reason, detail, ...(field ? { field } : {}) });
    return null;
  };
  const { prompt, response } = example;
  if (prompt.length % 2 !== 1 || response.length !== 1) {
    return drop(
      'bad_turns',
      `expected an odd number of prompt messages and one answer, found ${prompt.length} and ${response.length}`,
    );
  }
  let turns: [number[], number[]][];
  try {
    turns = template.encodeTurns([...prompt, ...response], example.system, example.tools);
  } catch (error) {
    if (error instanceof FactoryError && error.code === 'TOKENS_BAD_TOOLS')
      return drop('bad_tools', error.message, 'tools');
    throw error;
  }
  const { inputIds, labels, cut } = labelTurns(turns, plan);
  const row = { inputIds: Int32Array.from(inputIds), labels: Int32Array.from(labels) };
  const total = turns.reduce((sum, [s, t]) => sum + s.length + t.length, template.efficientEos ? 1 : 0);
  if (countLabels(row.labels) === 0) {
    return drop(
      'no_labels',
      `nothing to learn is left of ${total} tokens within cutoff_len ${plan.cutoffLen}`,
    );
  }
  if (cut)
    issues.push({
      source: example.source,
      kind: 'truncated',
      reason: 'cutoff_len',
      detail: describeCut(total, inputIds.length, cut),
    });
  return row;
}

interface Cut {
  source: number;
  target: number;
  turns: number;
}

/**
 * Source ids, target ids and labels of all turns within the cutoff. With mask_history the last turn is served first and
 * is the only one that is learned.
 */
function labelTurns(turns: [number[], number[]][], plan: EncodePlan) {
  const template = plan.template as ChatTemplate;
  const ordered = plan.maskHistory ? turns.toReversed() : turns;
  const lengths = ordered.map(([s, t]): [number, number] => [s.length, t.length]);
  const fitted = fitTurns(lengths, plan.cutoffLen, template.efficientEos ? 1 : 0);
  const pieces = fitted.map(([sourceLength, targetLength], i) => {
    const [source, target] = ordered[i] as [number[], number[]];
    const sourceIds = source.slice(0, sourceLength);
    const targetIds = target.slice(0, targetLength);
    const sourceLabels = plan.trainOnPrompt ? sourceIds : new Array<number>(sourceLength).fill(IGNORE_INDEX);
    // The end of the answer before is learned at this turn's first token.
    if (template.efficientEos && i !== 0 && sourceLength > 0 && !plan.trainOnPrompt)
      sourceLabels[0] = template.eosId;
    const isLearned = !plan.maskHistory || i === 0;
    const targetLabels = isLearned ? targetIds : new Array<number>(targetLength).fill(IGNORE_INDEX);
    return { ids: [...sourceIds, ...targetIds], labels: [...sourceLabels, ...targetLabels] };
  });
  if (plan.maskHistory) pieces.reverse();
  const inputIds = pieces.flatMap((piece) => piece.ids);
  const labels = pieces.flatMap((piece) => piece.labels);
  if (template.efficientEos) {
    inputIds.push(template.eosId);
    labels.push(template.eosId);
  }
  return { inputIds, labels, cut: measureCut(lengths, fitted) };
}

function measureCut(wanted: [number, number][], kept: [number, number][]): Cut | null {
  const cut: Cut = { source: 0, target: 0, turns: wanted.length - kept.length };
  for (const [i, [source, target]] of kept.entries()) {
    cut.source += (wanted[i]?.[0] ?? 0) - source;
    cut.target += (wanted[i]?.[1] ?? 0) - target;
  }
  return cut.source + cut.target + cut.turns > 0 ? cut : null;
}

function describeCut(total: number, kept: number, cut: Cut): string {
  const parts = [
    cut.source > 0 ? `${cut.source} off the prompts` : '',
    cut.target > 0 ? `${cut.target} off the answers` : '',
    cut.turns > 0 ? `${cut.turns} whole turns` : '',
  ].filter(Boolean);
  return `${total} tokens cut to ${kept}: ${parts.join(', ')}`;
}

/** Rows joined into packs of at most `cutoffLen` ids. */
function packGroup(group: EncodedExample[], { cutoffLen, neatPacking }: EncodePlan): EncodedExample[] {
  const packs = packRows(
    group.map((row) => row.inputIds.length),
    cutoffLen,
  );
  return packs.map((pack) => {
    const members = pack.map((i) => group[i] as EncodedExample);
    const length = members.reduce((sum, row) => sum + row.inputIds.length, 0);
    const out: EncodedExample = { inputIds: new Int32Array(length), labels: new Int32Array(length) };
    const starts: number[] = [];
    let at = 0;
    for (const row of members) {
      out.inputIds.set(row.inputIds, at);
      out.labels.set(row.labels, at);
      starts.push(at);
      at += row.inputIds.length;
    }
    return neatPacking ? { ...out, starts } : out;
  });
}

/** Labels that carry loss: label i is predicted from ids before it, so the first one of a row never counts. */
function countLabels(labels: Int32Array, starts: readonly number[] = []): number {
  let count = 0;
  for (let i = 1; i < labels.length; i++) if (labels[i] !== IGNORE_INDEX) count++;
  for (const start of starts) if (start > 0 && labels[start] !== IGNORE_INDEX) count--;
  return count;
}

function nothingLeft(examples: Example[], issues: RowIssue[], plan: EncodePlan): FactoryError {
  const reasons = new Map<string, number>();
  for (const issue of issues) reasons.set(issue.reason, (reasons.get(issue.reason) ?? 0) + 1);
  const list = [...reasons].map(([reason, count]) => `${count} ${reason}`).join(', ');
  const isShortText = plan.stage === 'pt' && plan.packing && reasons.has('packing_remainder');
  return new FactoryError({
    code: 'TOKENS_NO_LABELS',
    message: `none of ${examples.length} rows is left to train on${list ? ` (${list})` : ''}`,
    remedy: isShortText
      ? `Set packing to false or lower cutoff_len: all texts together do not fill one block of ${plan.cutoffLen} tokens.`
      : 'Mend the rows by the reasons given, or raise cutoff_len.',
    details: { reasons: Object.fromEntries(reasons) },
  });
}
