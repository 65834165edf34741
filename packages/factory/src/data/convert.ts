// In: one raw row, and what its data set's columns mean. Out: a training example that will be trained on as it stands,
// or the reason why not; repairs are listed too. It follows LLaMA-Factory's converters row by row.
import type { Example, Message, RowIssue, RowSource } from '#factory/records/message.ts';
import type { Stage } from '#factory/records/train-args.ts';
import { convertAlpaca } from './convert-alpaca.ts';
import { convertOpenai } from './convert-openai.ts';
import { convertSharegpt } from './convert-sharegpt.ts';
import type { DatasetEntry } from './dataset-info.ts';
import type { Columns } from './raw-row.ts';
import { cell, type Draft, describe, parseJson, textCell } from './row-fields.ts';
import { isProblem, type Problem, type RowReason } from './row-reasons.ts';

/** `example` is null exactly when one of the issues is of kind `dropped`. */
export interface ConvertedRow {
  example: Example | null;
  issues: RowIssue[];
}

export function convertRow(row: Columns, entry: DatasetEntry, stage: Stage, source: RowSource): ConvertedRow {
  const draft =
    mediaProblem(row, entry) ?? (stage === 'pt' ? convertText(row, entry) : convertTurns(row, entry));
  if (isProblem(draft)) return dropRow(draft, source);
  const problem = stage === 'pt' ? textProblem(draft, entry) : turnsProblem(draft, entry, row, stage);
  if (problem !== null) return dropRow(problem, source);
  repairUnicode(draft);
  const { prompt, response, system, tools } = draft;
  return {
    example: { prompt, response, system, tools, source },
    issues: draft.repairs.map((repair) => ({ source, kind: 'repaired', ...repair })),
  };
}

export function dropRow(problem: Problem, source: RowSource): ConvertedRow {
  return { example: null, issues: [{ source, kind: 'dropped', ...problem }] };
}

function convertTurns(row: Columns, entry: DatasetEntry): Draft | Problem {
  switch (entry.formatting) {
    case 'alpaca':
      return convertAlpaca(row, entry);
    case 'sharegpt':
      return convertSharegpt(row, entry);
    case 'openai':
      return convertOpenai(row, entry);
  }
}

/** Stage pt reads the prompt (and query) columns only. */
function convertText(row: Columns, { columns }: DatasetEntry): Draft | Problem {
  const parts: string[] = [];
  for (const column of [columns.prompt, columns.query]) {
    const text = textCell(row, column);
    if (typeof text !== 'string') return text;
    if (text !== '') parts.push(text);
  }
  const prompt: Message[] = [{ role: 'user', content: parts.join('\n') }];
  return { prompt, response: [], system: '', tools: '', preference: null, repairs: [] };
}

function mediaProblem(row: Columns, { columns }: DatasetEntry): Problem | null {
  for (const kind of ['images', 'videos', 'audios'] as const) {
    const value = cell(row, columns[kind]);
    const isEmpty =
      value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0);
    if (!isEmpty)
      return {
        reason: `${kind}_not_supported`,
        field: columns[kind]!,
        detail: `${kind}: ${describe(value)}`,
      };
  }
  return null;
}

function textProblem(draft: Draft, { columns }: DatasetEntry): Problem | null {
  if (draft.prompt[0]!.content.trim() !== '') return null;
  return { reason: 'empty_text', field: columns.prompt ?? columns.query ?? undefined, detail: 'no text' };
}

/** Empty turns would teach the model to say nothing; only an answer that is rejected may be empty. */
function turnsProblem(draft: Draft, entry: DatasetEntry, row: Columns, stage: Stage): Problem | null {
  const { columns } = entry;
  const unfit = stageProblem(draft, entry, row, stage);
  if (unfit !== null) return unfit;
  if (draft.preference === 'kto' && draft.response.every(({ content }) => content.trim() === '')) {
    const field = columns.messages ?? columns.response ?? undefined;
    return { reason: 'empty_answer', field, detail: 'the rated answer has no text' };
  }
  // Of a rated answer and its empty other side, the answer; of a pair, the chosen one.
  const answer = draft.response.find(({ content }) => content.trim() !== '') ?? draft.response[0];
  const last = draft.preference === 'kto' ? answer : draft.response[0];
  const turns = [...draft.prompt, ...(last ? [last] : [])];
  for (const [i, { role, content }] of turns.entries()) {
    const isLast = i === turns.length - 1 && last !== undefined;
    const field =
      isLast && draft.preference === 'dpo'
        ? columns.chosen!
        : columns.messages !== null && entry.formatting !== 'alpaca'
          ? `${columns.messages}, turn ${i + 1}`
          : fieldOfTurn(entry, i, draft.prompt.length + 1);
    const isEmpty = content.trim() === '';
    if (role === 'user' && isEmpty)
      return { reason: 'empty_prompt', field, detail: 'the user turn has no text' };
    if (role === 'assistant' && isEmpty) {
      return {
        reason: 'empty_answer',
        field,
        detail: isLast ? 'the answer has no text' : 'an earlier answer has no text',
      };
    }
    const reason = role === 'function' ? callProblem(content) : null;
    if (reason !== null) return { reason: 'bad_function_call', field, detail: reason };
  }
  return null;
}

/** Which kind of row a stage other than pt trains on. */
const KIND_OF_STAGE = { sft: null, rm: 'dpo', dpo: 'dpo', kto: 'kto', ppo: null, grpo: null } as const;

/** Stages that write their own answers; one in the data is for rewards to compare with. */
const ANSWERS_ITSELF: ReadonlySet<Stage> = new Set(['ppo', 'grpo']);

/** A row of another kind than the stage's, or without an answer. */
function stageProblem(draft: Draft, { columns }: DatasetEntry, row: Columns, stage: Stage): Problem | null {
  const wanted = stage === 'pt' ? null : KIND_OF_STAGE[stage];
  if (wanted === draft.preference) {
    if (draft.response.length > 0 || ANSWERS_ITSELF.has(stage)) return null;
    const field = columns.response ?? 'response';
    const isThere = columns.response !== null && Object.hasOwn(row, columns.response);
    if (isThere) return { reason: 'empty_answer', field, detail: `column "${field}" is null` };
    return { reason: 'missing_column', field, detail: `the row has no column "${field}"` };
  }
  if (wanted === 'dpo') {
    const field = columns.chosen ?? 'chosen';
    return { reason: 'pair_needed', field, detail: `${field}: ${describe(cell(row, field))}` };
  }
  if (wanted === 'kto') {
    const field = columns.kto_tag ?? 'kto_tag';
    return { reason: 'label_needed', field, detail: `${field}: ${describe(cell(row, field))}` };
  }
  const field = draft.preference === 'dpo' ? columns.chosen! : columns.kto_tag!;
  return {
    reason: `stage_${draft.preference as 'dpo' | 'kto'}_needed`,
    field,
    detail: `${field}: ${describe(cell(row, field))}`,
  };
}

function fieldOfTurn({ columns }: DatasetEntry, turn: number, turns: number): string {
  if (turn === turns - 1) return columns.response!;
  if (turn === turns - 2) return columns.prompt ?? columns.query!;
  return `${columns.history}[${Math.floor(turn / 2)}]`;
}

/** Templates render calls from their name and arguments. Text before the JSON may be a thought. */
function callProblem(content: string): string | null {
  const start = content.search(/[[{]/);
  const calls = start < 0 ? undefined : (parseJson(content.slice(start)) ?? parseJson(afterThought(content)));
  if (calls === undefined) return `expected JSON, found ${describe(content)}`;
  for (const call of Array.isArray(calls) ? calls : [calls]) {
    if (typeof cell(Object(call), 'name') !== 'string') return 'a call has no "name"';
    if (cell(call, 'arguments') === undefined) return 'a call has no "arguments"';
  }
  return null;
}

function afterThought(content: string): string {
  const end = content.lastIndexOf('</think>');
  return end < 0 ? content : content.slice(end + '</think>'.length);
}

/** Lone surrogates have no UTF-8 form; they become U+FFFD. */
function repairUnicode(draft: Draft): void {
  let broken = false;
  const repaired = (text: string) => {
    if (text.isWellFormed()) return text;
    broken = true;
    return text.toWellFormed();
  };
  for (const message of [...draft.prompt, ...draft.response]) message.content = repaired(message.content);
  draft.system = repaired(draft.system);
  draft.tools = repaired(draft.tools);
  const reason: RowReason = 'broken_unicode';
  if (broken) draft.repairs.push({ reason, detail: 'lone surrogates in the text' });
}
