// In: a canonical row. Out: the two texts by which rows are compared: what is asked and what is answered.
import type { CleanRow } from '#factory/records/clean-row.ts';
import type { Message } from '#factory/records/message.ts';
import { exactKey } from './exact-key.ts';
import type { Sides } from './row-shingles.ts';

/** What makes two rows the same: all of them, or one side only. */
export type DedupUnit = 'conversation' | 'prompt' | 'answer';

export const DEDUP_UNITS: readonly DedupUnit[] = ['conversation', 'prompt', 'answer'];

/** Several answers (chosen, rejected) are one side. A row without an answer is compared by its prompt whatever the unit. */
export function rowSides(row: CleanRow, unit: DedupUnit = 'conversation'): Sides {
  const hasAnswer = row.response.length > 0;
  return {
    context: row.system === '' && row.tools === '' ? '' : `${row.system}\n${row.tools}`,
    prompt: unit === 'answer' && hasAnswer ? null : joined(row.prompt),
    answer: unit === 'prompt' || !hasAnswer ? null : joined(row.response),
  };
}

/** For exact comparison of all that counts. */
export function sidesKey({ context, prompt, answer }: Sides): string {
  return `${exactKey(context)}\u0000${exactKey(prompt ?? '')}\u0000${exactKey(answer ?? '')}`;
}

function joined(messages: readonly Message[]): string {
  return messages.length === 1 ? messages[0]!.content : messages.map(({ content }) => content).join('\n');
}
