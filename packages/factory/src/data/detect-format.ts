// In: the first rows of a plain data file. Out: the entry that dataset_info.json would hold for it.
// It goes by column names and message keys alone, never by guessing from values.
import { FactoryError } from '#factory/errors.ts';
import type { Stage } from '#factory/records/train-args.ts';
import {
  COLUMN_KEYS,
  type ColumnMap,
  type DatasetEntry,
  DEFAULT_TAGS,
  type Formatting,
  type PlainPath,
  type TagMap,
} from './dataset-info.ts';
import type { Columns } from './raw-row.ts';
import { listNames } from './suggest-name.ts';

/** Column names that tell an instruction data set: prompt, query, response. */
const INSTRUCTION_COLUMNS: readonly [prompt: string, query: string, response: string][] = [
  ['instruction', 'input', 'output'],
  ['instruction', 'context', 'response'],
  ['prompt', 'input', 'completion'],
  ['prompt', 'input', 'response'],
  ['question', 'context', 'answer'],
];
const TEXT_COLUMNS = ['text', 'content'];

export function detectFormat(source: PlainPath, rows: readonly Columns[], stage: Stage): DatasetEntry {
  const names = new Set(rows.flatMap((row) => Object.keys(row)));
  const has = (name: string) => names.has(name);
  const optional = (name: string) => (has(name) ? name : null);
  const shared: Partial<ColumnMap> = {
    system: optional('system'),
    tools: optional('tools'),
    images: optional('images'),
    videos: optional('videos'),
    audios: optional('audios'),
  };
  const ranking = has('chosen') && has('rejected');
  const pair: Partial<ColumnMap> = ranking ? { chosen: 'chosen', rejected: 'rejected' } : {};
  const answersItself = stage === 'ppo' || stage === 'grpo';
  const rating = optional('kto_tag') ?? (isBoolean(rows, 'label') ? 'label' : null);

  if (stage === 'pt') {
    const text = TEXT_COLUMNS.find(has);
    if (text === undefined) throw unknownFormat(source, [...names], stage);
    return entry(source, 'alpaca', { prompt: text }, false);
  }
  for (const messages of ['messages', 'conversations']) {
    if (!has(messages)) continue;
    const tags = detectTags(rows, messages);
    const formatting = tags.role_tag === 'role' ? 'openai' : 'sharegpt';
    return entry(source, formatting, { messages, ...shared, ...pair, kto_tag: rating }, ranking, tags);
  }
  for (const [prompt, query, response] of INSTRUCTION_COLUMNS) {
    if (!has(prompt) || !(has(response) || ranking || answersItself)) continue;
    const own = {
      prompt,
      query: optional(query),
      response: optional(response),
      history: optional('history'),
    };
    // Beside an instruction, `label` may be a class of the task itself.
    const kto = stage === 'kto' ? rating : optional('kto_tag');
    return entry(source, 'alpaca', { ...own, ...shared, ...pair, kto_tag: kto }, ranking);
  }
  throw unknownFormat(source, [...names], stage);
}

function entry(
  { name, path }: PlainPath,
  formatting: Formatting,
  columns: Partial<ColumnMap>,
  ranking: boolean,
  tags: TagMap = DEFAULT_TAGS[formatting],
): DatasetEntry {
  const all = Object.fromEntries(COLUMN_KEYS.map((key) => [key, columns[key] ?? null])) as ColumnMap;
  return {
    ...{ name, path, formatting, ranking, tags },
    split: null,
    numSamples: null,
    columns: all,
    columnsNamed: false,
  };
}

function isBoolean(rows: readonly Columns[], column: string): boolean {
  return rows.some((row) => typeof row[column] === 'boolean');
}

function detectTags(rows: readonly Columns[], column: string): TagMap {
  for (const row of rows) {
    const messages = row[column];
    const first = Array.isArray(messages) ? messages[0] : undefined;
    if (typeof first !== 'object' || first === null) continue;
    return Object.hasOwn(first, 'from') && !Object.hasOwn(first, 'role')
      ? DEFAULT_TAGS.sharegpt
      : DEFAULT_TAGS.openai;
  }
  return column === 'conversations' ? DEFAULT_TAGS.sharegpt : DEFAULT_TAGS.openai;
}

function unknownFormat({ path }: PlainPath, names: string[], stage: Stage): FactoryError {
  const found = names.length === 0 ? 'no columns' : `columns ${listNames(names)}`;
  if (stage === 'pt') {
    return new FactoryError({
      code: 'DATA_UNSUPPORTED_FORMAT',
      message: `${path}: stage pt expects a column "text" or "content", found ${found}`,
      remedy:
        'Rename the text column, or describe the file in dataset_info.json with "columns": {"prompt": "..."}.',
    });
  }
  const isText = names.some((name) => TEXT_COLUMNS.includes(name));
  return new FactoryError({
    code: 'DATA_UNSUPPORTED_FORMAT',
    message: `${path}: stage ${stage} expects instruction and output, conversations, or messages; found ${found}`,
    remedy: isText
      ? 'Use stage pt for plain text, or give rows with prompts and answers.'
      : 'Rename the columns, or describe the file in dataset_info.json with "columns".',
  });
}
