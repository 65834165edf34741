// In: dataset_dir/dataset_info.json and the name of a data set, or a plain path. Out: where its files are and what
// their columns and tags mean. Meanings and defaults are LLaMA-Factory's; data sets are never downloaded here.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { FactoryError } from '#factory/errors.ts';
import { didYouMean, listNames, nearestName } from './suggest-name.ts';

export type Formatting = 'alpaca' | 'sharegpt' | 'openai';

export const COLUMN_KEYS = [
  ...(['prompt', 'query', 'response', 'history', 'messages', 'system', 'tools'] as const),
  ...(['images', 'videos', 'audios', 'chosen', 'rejected', 'kto_tag'] as const),
] as const;
export const TAG_KEYS = [
  ...(['role_tag', 'content_tag', 'user_tag', 'assistant_tag'] as const),
  ...(['observation_tag', 'function_tag', 'system_tag'] as const),
] as const;

/** Which column of the file plays which part; null means none does. */
export type ColumnMap = Record<(typeof COLUMN_KEYS)[number], string | null>;
/** Keys and role names of messages; null means that the data set has no such role. */
export type TagMap = Record<(typeof TAG_KEYS)[number], string | null>;

export interface DatasetEntry {
  name: string;
  /** A file, or a folder of files. */
  path: string;
  /** Keeps the files of one split of a copied hub folder. */
  split: string | null;
  formatting: Formatting;
  ranking: boolean;
  numSamples: number | null;
  columns: ColumnMap;
  tags: TagMap;
  /** True when the columns were named by the user, so that each of them must exist. */
  columnsNamed: boolean;
}

/** A data set named by its path: its format is found out from its first rows. */
export interface PlainPath {
  name: string;
  path: string;
}

/** dataset_info.json as read: entries are checked when they are used. */
export interface DatasetInfo {
  file: string;
  dir: string;
  entries: Record<string, unknown> | null;
}

const SOURCE_KEYS = ['hf_hub_url', 'ms_hub_url', 'om_hub_url', 'script_url', 'cloud_file_name'] as const;
const HUB_KEYS = ['hf_hub_url', 'ms_hub_url', 'om_hub_url'] as const;
/** Found in older files; without effect there as here. */
const IGNORED_KEYS = ['file_sha1', 'description', 'license', 'revision'];

const text = z.string().min(1).nullish();
const entrySchema = z.object({
  hf_hub_url: text,
  ms_hub_url: text,
  om_hub_url: text,
  script_url: text,
  cloud_file_name: text,
  file_name: text,
  formatting: z.enum(['alpaca', 'sharegpt', 'openai']).nullish(),
  ranking: z.boolean().nullish(),
  subset: text,
  split: text,
  folder: text,
  num_samples: z.int().positive().nullish(),
  columns: z.record(z.string(), text).nullish(),
  tags: z.record(z.string(), text).nullish(),
});
type RawEntry = z.infer<typeof entrySchema>;

export const DEFAULT_COLUMNS: Record<Formatting, Partial<ColumnMap>> = {
  alpaca: { prompt: 'instruction', query: 'input', response: 'output' },
  sharegpt: { messages: 'conversations' },
  // LLaMA-Factory falls back to ShareGPT's names here, which no OpenAI-style file has.
  openai: { messages: 'messages' },
};

const SHAREGPT_TAGS: TagMap = {
  role_tag: 'from',
  content_tag: 'value',
  user_tag: 'human',
  assistant_tag: 'gpt',
  observation_tag: 'observation',
  function_tag: 'function_call',
  system_tag: 'system',
};
const OPENAI_TAGS: TagMap = {
  role_tag: 'role',
  content_tag: 'content',
  user_tag: 'user',
  assistant_tag: 'assistant',
  observation_tag: 'tool',
  function_tag: 'function_call',
  system_tag: 'system',
};
export const DEFAULT_TAGS: Record<Formatting, TagMap> = {
  alpaca: SHAREGPT_TAGS,
  sharegpt: SHAREGPT_TAGS,
  openai: OPENAI_TAGS,
};

/** Reads the file; one that does not exist is no error until a name must be looked up in it. */
export async function readDatasetInfo(datasetDir: string): Promise<DatasetInfo> {
  if (datasetDir === 'ONLINE' || datasetDir.startsWith('REMOTE:')) {
    throw new FactoryError({
      code: 'DATA_UNSUPPORTED_FORMAT',
      message: `dataset_dir is "${datasetDir}": data sets are not downloaded`,
      remedy: 'Download the files and set dataset_dir to their folder.',
    });
  }
  const file = join(datasetDir, 'dataset_info.json');
  if (!existsSync(file)) return { file, dir: datasetDir, entries: null };
  let parsed: unknown;
  try {
    parsed = JSON.parse((await readFile(file, 'utf8')).replace(/^\uFEFF/, ''));
  } catch (cause) {
    throw badInfo(`${file}: ${(cause as Error).message}`, 'Correct the JSON of dataset_info.json.', cause);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw badInfo(
      `${file}: expected an object of data set names`,
      'Write it as {"my_data": {"file_name": "my_data.json"}}.',
    );
  }
  return { file, dir: datasetDir, entries: parsed as Record<string, unknown> };
}

/** A name of dataset_info.json wins over a path of the same spelling. Paths are tried as given and below dataset_dir. */
export function findDataset(name: string, info: DatasetInfo): DatasetEntry | PlainPath {
  if (info.entries !== null && Object.hasOwn(info.entries, name)) {
    return resolveEntry(name, info.entries[name], info);
  }
  for (const path of isAbsolute(name) ? [name] : [name, join(info.dir, name)]) {
    if (name !== '' && existsSync(path)) return { name, path };
  }
  if (info.entries === null) {
    throw new FactoryError({
      code: 'DATA_NOT_FOUND',
      message: `data set "${name}" is no path, and there is no ${info.file} to look it up in`,
      remedy: 'Set dataset_dir to the folder that holds dataset_info.json, or give the path of a data file.',
    });
  }
  const names = Object.keys(info.entries);
  throw new FactoryError({
    code: 'DATA_UNKNOWN_DATASET',
    message: `data set "${name}" is neither in ${info.file} nor a path.${didYouMean(name, names)}`,
    remedy: `Choose one of ${listNames(names)}, add an entry to ${info.file}, or give the path of a data file.`,
  });
}

function resolveEntry(name: string, raw: unknown, info: DatasetInfo): DatasetEntry {
  const where = `${info.file}: "${name}"`;
  const entry = parseEntry(raw, where);
  const formatting = entry.formatting ?? 'alpaca';
  const { path, split } = locate(entry, info.dir, where);
  const columns = mapNames(entry.columns, COLUMN_KEYS, DEFAULT_COLUMNS[formatting]);
  const tags = mapNames(entry.tags, TAG_KEYS, DEFAULT_TAGS[formatting]);
  const result: DatasetEntry = {
    ...{ name, path, split, formatting, columns, tags },
    ranking: entry.ranking ?? false,
    numSamples: entry.num_samples ?? null,
    columnsNamed: entry.columns != null,
  };
  checkEntry(result, where);
  return result;
}

function parseEntry(raw: unknown, where: string): RawEntry {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    throw badInfo(`${where} is not an object`, 'Write it as {"file_name": "my_data.json"}.');
  }
  checkKeys(raw, [...Object.keys(entrySchema.shape), ...IGNORED_KEYS], where, {});
  const parsed = entrySchema.safeParse(raw);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    const key = issue.path.join('.');
    const value = issue.path.reduce<unknown>((at, k) => (at as Record<PropertyKey, unknown>)?.[k], raw);
    const near = key === 'formatting' ? didYouMean(String(value), ['alpaca', 'sharegpt', 'openai']) : '';
    throw badInfo(`${where}: key "${key}": ${issue.message}.${near}`, `Correct "${key}" of that entry.`);
  }
  const { columns, tags } = parsed.data;
  if (columns) {
    checkKeys(columns, COLUMN_KEYS, `${where}: columns`, {
      instruction: 'prompt',
      input: 'query',
      output: 'response',
      conversations: 'messages',
      text: 'prompt',
    });
  }
  if (tags) checkKeys(tags, TAG_KEYS, `${where}: tags`, { from: 'role_tag', value: 'content_tag' });
  return parsed.data;
}

function checkKeys(found: object, known: readonly string[], where: string, aliases: Record<string, string>) {
  for (const key of Object.keys(found)) {
    if (known.includes(key)) continue;
    const nearest = Object.hasOwn(aliases, key) ? aliases[key] : nearestName(key, known);
    throw badInfo(
      `${where} has an unknown key "${key}".${nearest ? ` Did you mean "${nearest}"?` : ''}`,
      `Use one of ${listNames(known, 20)}.`,
    );
  }
}

/** When the object is given, a key that it leaves out means "none": the defaults hold only without the object. */
function mapNames<K extends string>(
  given: Record<string, string | null | undefined> | null | undefined,
  keys: readonly K[],
  defaults: Partial<Record<K, string | null>>,
): Record<K, string | null> {
  return Object.fromEntries(keys.map((key) => [key, (given ?? defaults)[key] ?? null])) as Record<
    K,
    string | null
  >;
}

function locate(entry: RawEntry, dir: string, where: string): { path: string; split: string | null } {
  const remote = SOURCE_KEYS.find((key) => entry[key] != null);
  const fileName = entry.file_name ?? null;
  const local = fileName === null ? null : resolvePath(dir, fileName);
  if (remote === undefined) {
    if (local === null) {
      throw badInfo(
        `${where} names no file`,
        'Add "file_name": the name of a file or folder in dataset_dir.',
      );
    }
    if (entry.split != null && entry.split !== 'train') {
      throw badInfo(
        `${where}: split "${entry.split}": local files have the one split "train"`,
        'Remove "split", and name the file of that split with "file_name".',
      );
    }
    return { path: local, split: null };
  }
  if (local !== null && existsSync(local)) return { path: local, split: null };
  for (const key of HUB_KEYS) {
    const id = entry[key];
    if (id == null) continue;
    for (const copy of [resolvePath(dir, id), join(dir, basename(id))]) {
      if (existsSync(copy)) return { path: insideCopy(copy, entry), split: entry.split ?? 'train' };
    }
  }
  const source = entry[remote];
  throw new FactoryError({
    code: 'DATA_UNSUPPORTED_FORMAT',
    message: `${where}: ${remote} "${source}": data sets are not downloaded, and there is no local copy`,
    remedy: remote.endsWith('hub_url')
      ? `Download it into ${join(dir, String(source))}, or add "file_name" with a local file.`
      : 'Save the rows as a local file and name it with "file_name".',
  });
}

/** The folder of the data inside a copied hub repository: `folder`, `subset` or `data` when they exist. */
function insideCopy(copy: string, entry: RawEntry): string {
  let path = copy;
  for (const part of [entry.folder, entry.subset, 'data']) {
    if (part != null && existsSync(join(path, part))) path = join(path, part);
  }
  return path;
}

function resolvePath(dir: string, name: string): string {
  return isAbsolute(name) ? name : join(dir, name);
}

function checkEntry({ formatting, columns, tags, ranking }: DatasetEntry, where: string) {
  const need = (key: string, group: 'columns' | 'tags', why: string) =>
    badInfo(
      `${where}: "${group}" leaves out "${key}", so ${why}`,
      `Add "${key}" to "${group}" (when the object is given, keys that it leaves out mean none).`,
    );
  if (formatting === 'alpaca') {
    if (columns.prompt === null && columns.query === null)
      throw need('prompt', 'columns', 'rows have no prompt');
  } else {
    if (columns.messages === null) throw need('messages', 'columns', 'rows have no messages');
    for (const key of ['role_tag', 'content_tag', 'user_tag', 'assistant_tag'] as const) {
      if (tags[key] === null) throw need(key, 'tags', 'messages cannot be read');
    }
  }
  if (ranking) {
    for (const key of ['chosen', 'rejected'] as const) {
      if (columns[key] === null) throw need(key, 'columns', 'preference pairs cannot be read');
    }
  }
}

function badInfo(message: string, remedy: string, cause?: unknown): FactoryError {
  return new FactoryError({ code: 'DATA_BAD_INFO', message, remedy, cause });
}
