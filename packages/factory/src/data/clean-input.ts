// In: data files, and what the recipe says about their columns. Out: canonical rows with their place, and rows that cannot
// become one with the reason and their raw columns. Nothing is lost: every record of every file comes out as one of the two.
import type { CleanRow, RowKind } from '#factory/records/clean-row.ts';
import type { Stage } from '#factory/records/train-args.ts';
import type { RecipeInput } from './clean-recipe.ts';
import { convertRow } from './convert.ts';
import { COLUMN_KEYS, type ColumnMap, type DatasetEntry, DEFAULT_TAGS } from './dataset-info.ts';
import { detectFormat } from './detect-format.ts';
import type { DataFile } from './find-files.ts';
import type { Columns, RawRow } from './raw-row.ts';
import { readRows } from './read-rows.ts';
import { toJson } from './row-fields.ts';

/** Rows looked at to find out a format. */
const DETECTION_ROWS = 50;
/** Raw columns of an unreadable row are kept up to this many characters. */
const MAX_RAW_CHARS = 20_000;

export type InputRow = { row: number } & (
  | { clean: CleanRow }
  | { clean: null; reason: string; detail: string; raw: string }
);

export interface FileFormat {
  entry: DatasetEntry;
  kind: RowKind;
}

export const STAGE_OF_KIND: Record<RowKind, Stage> = {
  sft: 'sft',
  preference: 'dpo',
  feedback: 'kto',
  text: 'pt',
};

/** Looks at the first rows of a file. A file without any usable row has no format, which is no error. */
export async function findFormat(file: DataFile, input: RecipeInput): Promise<FileFormat | null> {
  const rows: Columns[] = [];
  let looked = 0;
  for await (const raw of readRows(file)) {
    if (!('problem' in raw)) rows.push(prepareColumns(raw.columns, input));
    if (++looked === DETECTION_ROWS) break;
  }
  if (rows.length === 0) return null;
  const kind = input.kind ?? kindOf(rows, input);
  const source = { name: file.path, path: file.path };
  if (input.columns === null && input.format === null) {
    return { entry: detectFormat(source, rows, STAGE_OF_KIND[kind]), kind };
  }
  const formatting = input.format ?? (input.columns?.messages === undefined ? 'alpaca' : 'sharegpt');
  const given = input.columns;
  const columns = Object.fromEntries(
    COLUMN_KEYS.map((key) => [key, given === null ? null : (given[key] ?? null)]),
  ) as ColumnMap;
  if (given === null) Object.assign(columns, detectFormat(source, rows, STAGE_OF_KIND[kind]).columns);
  const entry: DatasetEntry = {
    ...source,
    ...{ split: null, formatting, ranking: kind === 'preference', numSamples: null, columns },
    ...{ tags: DEFAULT_TAGS[formatting], columnsNamed: true },
  };
  return { entry, kind };
}

export async function* readInput(
  file: DataFile,
  { entry, kind }: FileFormat,
  input: RecipeInput,
): AsyncGenerator<InputRow> {
  const used = new Set(Object.values(entry.columns));
  for await (const raw of readRows(file)) yield toInputRow(raw, entry, kind, used, input);
}

function toInputRow(
  raw: RawRow,
  entry: DatasetEntry,
  kind: RowKind,
  used: ReadonlySet<string | null>,
  input: RecipeInput,
): InputRow {
  const { row } = raw;
  if ('problem' in raw)
    return { row, clean: null, reason: raw.problem.reason, detail: raw.problem.detail, raw: '' };
  const columns = prepareColumns(raw.columns, input);
  const source = { dataset: entry.name, file: entry.path, row };
  const { example, issues } = convertRow(columns, entry, STAGE_OF_KIND[kind], source);
  if (example === null) {
    const [{ reason, detail, field }] = issues as [(typeof issues)[number]];
    const text = (toJson(raw.columns) ?? '').slice(0, MAX_RAW_CHARS);
    return {
      row,
      clean: null,
      reason,
      detail: field === undefined ? detail : `${field}: ${detail}`,
      raw: text,
    };
  }
  const { system, tools, prompt, response } = example;
  return { row, clean: { kind, system, tools, prompt, response, extra: extraOf(columns, used) } };
}

function extraOf(columns: Columns, used: ReadonlySet<string | null>): Record<string, unknown> {
  const extra: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(columns)) {
    if (used.has(name) || value === null || value === undefined) continue;
    const json = toJson(value);
    if (json !== null) extra[name] = JSON.parse(json);
  }
  return extra;
}

/** Columns are derived, then values replaced, in the order of the recipe. */
function prepareColumns(columns: Columns, { derive, values }: RecipeInput): Columns {
  let prepared = columns;
  for (const [column, template] of Object.entries(derive)) {
    const text = template.replace(/\{([^{}]+)\}/g, (_, name: string) => String(prepared[name] ?? ''));
    prepared = { ...prepared, [column]: text };
  }
  for (const [column, table] of Object.entries(values)) {
    const value = prepared[column];
    if (typeof value === 'string' && Object.hasOwn(table, value))
      prepared = { ...prepared, [column]: table[value] };
  }
  return prepared;
}

/** By column names alone; a boolean `label` means feedback only beside prompt and completion. */
function kindOf(rows: readonly Columns[], { columns }: RecipeInput): RowKind {
  const names = new Set(rows.flatMap((row) => Object.keys(row)));
  if (columns !== null) {
    if (columns.chosen !== undefined) return 'preference';
    if (columns.kto_tag !== undefined) return 'feedback';
    return columns.messages === undefined && columns.response === undefined ? 'text' : 'sft';
  }
  if (names.has('chosen') && names.has('rejected')) return 'preference';
  const isBoolean = rows.some((row) => typeof row.label === 'boolean');
  const isRated = names.has('messages') || names.has('conversations') || names.has('completion');
  if (names.has('kto_tag') || (isBoolean && isRated)) return 'feedback';
  const isTurns =
    isRated ||
    names.has('instruction') ||
    names.has('prompt') ||
    names.has('question') ||
    names.has('output');
  return !isTurns && (names.has('text') || names.has('content')) ? 'text' : 'sft';
}
