// In: a raw row and a column name. Out: the column's value with the type that the converters need, or the problem.
// Python's "falsy" null and missing cells both read as the empty string, as in LLaMA-Factory.
import type { Message } from '#factory/records/message.ts';
import type { ColumnMap } from './dataset-info.ts';
import type { Columns } from './raw-row.ts';
import type { Problem } from './row-reasons.ts';
import { clip } from './suggest-name.ts';

/** A row in normal form but for its source; `preference` says which later stage the row is for, if one. */
export interface Draft {
  prompt: Message[];
  response: Message[];
  system: string;
  tools: string;
  preference: 'dpo' | 'kto' | null;
  repairs: Problem[];
}

/** Own property only: a column may be called "constructor". */
export function cell(row: object, column: string | null): unknown {
  return column !== null && Object.hasOwn(row, column) ? (row as Columns)[column] : undefined;
}

export function textCell(row: object, column: string | null, field = column ?? ''): string | Problem {
  const value = cell(row, column);
  if (value === undefined || value === null) return '';
  if (typeof value === 'string') return value;
  return wrongType(field, 'a string', value);
}

export function wrongType(field: string, expected: string, value: unknown): Problem {
  return { reason: 'wrong_type', field, detail: `expected ${expected}, found ${describe(value)}` };
}

/** What a value is, with a glimpse of it. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object') return `an object with keys ${clip(Object.keys(value).join(', '), 60)}`;
  if (typeof value === 'string') return `"${clip(value, 40)}"`;
  return `the ${typeof value} ${clip(String(value), 40)}`;
}

/** A list column; its JSON text (as CSV and some Parquet files hold it) is parsed and noted as a repair. */
export function listCell(row: object, column: string, repairs: Problem[]): unknown[] | Problem {
  const value = cell(row, column);
  if (Array.isArray(value)) return value;
  if (value === undefined || value === null) {
    return { reason: 'missing_column', field: column, detail: `column "${column}" is empty` };
  }
  if (typeof value === 'string') {
    const parsed = parseJson(value);
    if (Array.isArray(parsed)) {
      repairs.push({ reason: 'parsed_json_text', field: column, detail: 'list given as JSON text' });
      return parsed;
    }
  }
  return wrongType(column, 'a list', value);
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** JSON text, or null where the value is nested too deeply. Parquet's 64-bit integers become numbers. */
export function toJson(value: unknown): string | null {
  try {
    return JSON.stringify(value, (_key, v) => (typeof v === 'bigint' ? Number(v) : v));
  } catch {
    return null;
  }
}

/** The tool list as JSON text: '' for none. Checked as far as every tool format needs it. */
export function toolsCell(row: object, columns: ColumnMap, repairs: Problem[]): string | Problem {
  const field = columns.tools;
  if (field === null) return '';
  const value = cell(row, field);
  if (value === undefined || value === null || value === '') return '';
  const bad = (detail: string): Problem => ({ reason: 'bad_tools', field, detail });
  let list: unknown = value;
  let text: string | null;
  if (typeof value === 'string') {
    text = value;
    list = parseJson(value);
    if (list === undefined) return bad(`expected a JSON list, found ${describe(value)}`);
  } else {
    text = toJson(value);
    if (text === null) return bad('the list is nested too deeply');
    repairs.push({ reason: 'tools_as_json', field, detail: 'tools given as a list' });
  }
  if (!Array.isArray(list)) return bad(`expected a JSON list, found ${describe(list)}`);
  for (const [i, tool] of list.entries()) {
    const described = cell(Object(tool), 'type') === 'function' ? (cell(tool, 'function') ?? tool) : tool;
    if (typeof cell(Object(described), 'name') !== 'string') return bad(`tool ${i} has no "name"`);
  }
  return text;
}

/** Chosen and rejected answers make two responses; a good/bad label puts an empty answer on the other side. */
export function ktoResponse(answer: Message, isGood: boolean): Message[] {
  const none: Message = { role: 'assistant', content: '' };
  return isGood ? [answer, none] : [none, answer];
}
