// In: rows whose answers the model will write itself. Out: their prompts as ids, without labels. A prompt that does not fit
// into cutoff_len is left out: cut at either end it would ask something else, or lack the turn that opens the answer.
import { FactoryError } from '#factory/errors.ts';
import type { ChatTemplate } from '#factory/records/chat-template.ts';
import { type EncodedExample, IGNORE_INDEX } from '#factory/records/encoded.ts';
import type { Example, RowIssue } from '#factory/records/message.ts';
import type { EncodedRows, EncodePlan, EncodeProgress } from './encode-plan.ts';

export function encodePromptRows(
  examples: Example[],
  plan: EncodePlan,
  onProgress?: EncodeProgress,
): EncodedRows {
  const rows: EncodedExample[] = [];
  const issues: RowIssue[] = [];
  for (const [i, example] of examples.entries()) {
    const ids = promptIds(example, plan, issues);
    if (ids) {
      const inputIds = Int32Array.from(ids);
      rows.push({ inputIds, labels: new Int32Array(ids.length).fill(IGNORE_INDEX) });
    }
    onProgress?.(i + 1, examples.length);
  }
  return { rows, issues, used: rows.length };
}

function promptIds(example: Example, { template, cutoffLen }: EncodePlan, issues: RowIssue[]) {
  const { prompt, system, tools, source } = example;
  const drop = (reason: string, detail: string, field?: string) => {
    issues.push({ source, kind: 'dropped', reason, detail, ...(field ? { field } : {}) });
    return null;
  };
  if (prompt.length % 2 !== 1)
    return drop('bad_turns', `expected an odd number of prompt messages, found ${prompt.length}`);
  try {
    const turns = [...prompt, { role: 'assistant' as const, content: '' }];
    const ids = (template as ChatTemplate).encodeOneTurn(turns, system, tools).prompt;
    return ids.length > cutoffLen
      ? drop('long_prompt', `the prompt has ${ids.length} tokens, and cutoff_len is ${cutoffLen}`)
      : ids;
  } catch (error) {
    if (!(error instanceof FactoryError) || error.code !== 'TOKENS_BAD_TOOLS') throw error;
    return drop('bad_tools', error.message, 'tools');
  }
}
