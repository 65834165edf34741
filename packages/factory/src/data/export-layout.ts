// In: canonical rows. Out: records in a layout that trainers read (alpaca, sharegpt, openai or plain text), and the entry of
// dataset_info.json that says what the columns mean. Nothing is written here.
import type { CleanRow, RowKind } from '#factory/records/clean-row.ts';
import type { Message } from '#factory/records/message.ts';
import { DEFAULT_TAGS, type Formatting, type TagMap } from './dataset-info.ts';

export type Layout = Formatting;

/** What must be known about all rows before the first is written. */
export interface RowFacts {
  rows: number;
  hasSystem: boolean;
  hasTools: boolean;
  hasHistory: boolean;
  /** Rows with tool results or calls, which alpaca cannot say. */
  toolTurns: number;
}

export const NO_ROWS: RowFacts = {
  rows: 0,
  hasSystem: false,
  hasTools: false,
  hasHistory: false,
  toolTurns: 0,
};

export function addFacts(facts: RowFacts, row: CleanRow): RowFacts {
  const isPlain = [...row.prompt, ...row.response].every(
    ({ role }) => role === 'user' || role === 'assistant',
  );
  return {
    rows: facts.rows + 1,
    hasSystem: facts.hasSystem || row.system !== '',
    hasTools: facts.hasTools || row.tools !== '',
    hasHistory: facts.hasHistory || row.prompt.length > 1,
    toolTurns: facts.toolTurns + (isPlain ? 0 : 1),
  };
}

export interface ExportEntry {
  file_name: string;
  formatting?: Formatting;
  ranking?: true;
  columns: Record<string, string>;
  tags?: Record<string, string>;
}

export function layoutEntry(fileName: string, layout: Layout, kind: RowKind, facts: RowFacts): ExportEntry {
  const shared: Record<string, string> = {};
  if (kind === 'text') return { file_name: fileName, columns: { prompt: 'text' } };
  if (layout === 'alpaca') {
    shared.prompt = 'instruction';
    if (kind !== 'preference') shared.response = 'output';
    if (facts.hasHistory) shared.history = 'history';
  } else {
    shared.messages = layout === 'openai' ? 'messages' : 'conversations';
  }
  if (facts.hasSystem && layout !== 'openai') shared.system = 'system';
  if (facts.hasTools) shared.tools = 'tools';
  if (kind === 'preference') Object.assign(shared, { chosen: 'chosen', rejected: 'rejected' });
  if (kind === 'feedback') shared.kto_tag = 'kto_tag';
  const tags = layout === 'alpaca' ? null : (DEFAULT_TAGS[layout] as Record<string, string>);
  return {
    file_name: fileName,
    formatting: layout,
    ...(kind === 'preference' ? { ranking: true as const } : {}),
    columns: shared,
    ...(tags === null ? {} : { tags }),
  };
}

/** One row as a record. Columns of the entry are always there, so that every record has the same keys. */
export function toRecord(row: CleanRow, { columns }: ExportEntry, layout: Layout): Record<string, unknown> {
  const { kind, prompt, response } = row;
  if (kind === 'text') return { text: prompt[0]!.content };
  const isGood = kind === 'feedback' && response[0]!.content !== '';
  const answer = kind === 'feedback' ? response[isGood ? 0 : 1]! : response[0]!;
  const record: Record<string, unknown> = {};
  if (layout === 'alpaca') {
    record.instruction = prompt.at(-1)!.content;
    if (kind !== 'preference') record.output = answer.content;
    if (columns.history !== undefined) record.history = historyOf(prompt);
  } else {
    const turns = kind === 'preference' ? prompt : [...prompt, answer];
    const list = turns.map((turn) => tagged(turn, DEFAULT_TAGS[layout]));
    if (layout === 'openai' && row.system !== '') list.unshift({ role: 'system', content: row.system });
    record[columns.messages!] = list;
  }
  if (columns.system !== undefined) record.system = row.system;
  if (columns.tools !== undefined) record.tools = row.tools;
  if (kind === 'preference') {
    const side = (message: Message) =>
      layout === 'alpaca' ? message.content : tagged(message, DEFAULT_TAGS[layout]);
    record.chosen = side(response[0]!);
    record.rejected = side(response[1]!);
  }
  if (kind === 'feedback') record.kto_tag = isGood;
  return record;
}

function historyOf(prompt: readonly Message[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let i = 0; i + 1 < prompt.length; i += 2) pairs.push([prompt[i]!.content, prompt[i + 1]!.content]);
  return pairs;
}

function tagged({ role, content }: Message, tags: TagMap): Record<string, string> {
  const names = {
    user: tags.user_tag,
    assistant: tags.assistant_tag,
    observation: tags.observation_tag,
    function: tags.function_tag,
  };
  return { [tags.role_tag!]: names[role]!, [tags.content_tag!]: content };
}
