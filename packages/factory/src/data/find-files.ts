// In: the path of a file or folder. Out: the data files in it, by name, all of one kind. Nothing is opened.
import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { FactoryError } from '#factory/errors.ts';
import { listNames } from './suggest-name.ts';

export type DataFile = { path: string } & (
  | { kind: 'json' | 'parquet' | 'text' | 'xlsx' | 'mail' }
  | { kind: 'csv'; delimiter: string }
);

export const EXTENSIONS =
  '.json, .jsonl, .ndjson, .csv, .tsv, .parquet, .xlsx, .txt, .eml (text files also as .gz and .zst)';
export const NOT_DATA = new Set([
  'dataset_info.json',
  'dataset_infos.json',
  'dataset_dict.json',
  'state.json',
]);

/** `split` keeps the files of one split where the file names tell splits apart. */
export async function findFiles(path: string, split: string | null = null): Promise<DataFile[]> {
  const info = await stat(path).catch(() => null);
  if (info === null) {
    throw new FactoryError({
      code: 'DATA_NOT_FOUND',
      message: `${path}: no such file or folder`,
      remedy: 'Check the path, and "file_name" in dataset_info.json (it is relative to dataset_dir).',
    });
  }
  if (!info.isDirectory()) {
    const file = dataFile(path);
    if (file !== null) return [file];
    throw new FactoryError({
      code: 'DATA_UNSUPPORTED_FORMAT',
      message: `${path}: expected ${EXTENSIONS}`,
      remedy: `Convert "${basename(path)}" to JSON Lines or Parquet.`,
    });
  }
  return filesOfFolder(path, split);
}

async function filesOfFolder(folder: string, split: string | null): Promise<DataFile[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries
    .filter((entry) => !entry.isDirectory() && !entry.name.startsWith('.') && !NOT_DATA.has(entry.name))
    .map((entry) => entry.name)
    .sort();
  const files = ofSplit(names, split)
    .map((name) => dataFile(join(folder, name)))
    .filter((file) => file !== null);
  if (files.length === 0) {
    throw new FactoryError({
      code: 'DATA_NOT_FOUND',
      message: `${folder}: expected files of type ${EXTENSIONS}, found ${names.length === 0 ? 'none' : listNames(names)}`,
      remedy: 'Put the data files directly into this folder, or name one file.',
    });
  }
  const kinds = [...new Set(files.map((file) => file.kind))];
  if (kinds.length > 1) {
    throw new FactoryError({
      code: 'DATA_UNSUPPORTED_FORMAT',
      message: `${folder}: expected files of one type, found ${kinds.join(' and ')}`,
      remedy: 'Put files of different types into folders of their own.',
    });
  }
  return files;
}

export function dataFile(path: string): DataFile | null {
  const name = path.toLowerCase().replace(/\.(gz|zst)$/, '');
  const extension = name.slice(name.lastIndexOf('.') + 1);
  switch (extension) {
    case 'json':
    case 'jsonl':
    case 'ndjson':
      return { path, kind: 'json' };
    case 'csv':
      return { path, kind: 'csv', delimiter: ',' };
    case 'tsv':
      return { path, kind: 'csv', delimiter: '\t' };
    case 'txt':
      return { path, kind: 'text' };
    case 'eml':
      return { path, kind: 'mail' };
    case 'parquet':
    case 'xlsx':
      return /\.(gz|zst)$/i.test(path) ? null : { path, kind: extension };
    default:
      return null;
  }
}

/** Hub folders name files `train-00000-of-00002.parquet`; where names carry no split, all files count. */
function ofSplit(names: string[], split: string | null): string[] {
  if (split === null) return names;
  const tells = (name: string, word: string) => new RegExp(`(^|[-_.])${word}([-_.]|$)`).test(name);
  const known = ['train', 'test', 'validation', 'valid', 'val', 'dev', 'eval', split.replace(/\W/g, '')];
  if (!names.some((name) => known.some((word) => tells(name, word)))) return names;
  return names.filter((name) => tells(name, split.replace(/\W/g, '')));
}
