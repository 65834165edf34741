// In: files, folders and globs as a person named them. Out: the data files in order, each with its hash, size and format, and
// an estimate of their rows. The same files give the same plan, whatever the order in which they were named.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { glob, stat } from 'node:fs/promises';
import { FactoryError } from '#factory/errors.ts';
import type { InputFile } from '#factory/records/ledger.ts';
import { type FileFormat, findFormat } from './clean-input.ts';
import type { RecipeInput } from './clean-recipe.ts';
import { type DataFile, findFiles } from './find-files.ts';

export interface InputPlan {
  files: InputFile[];
  sources: DataFile[];
  /** Null for a file without any usable row. */
  formats: (FileFormat | null)[];
  /** Lines of all files where each is one row, else null: a measure of progress. */
  rows: number | null;
}

export async function describeInputs(inputs: readonly string[], input: RecipeInput): Promise<InputPlan> {
  const sources = await expandInputs(inputs);
  const plan: InputPlan = { files: [], sources, formats: [], rows: 0 };
  for (const source of sources) {
    const { sha256, bytes, lines } = await hashFile(source.path);
    const format = await findFormat(source, input);
    const name = format === null ? source.kind : `${source.kind}, ${format.entry.formatting}, ${format.kind}`;
    plan.files.push({ path: source.path, sha256, bytes, encoding: 'utf-8', format: name });
    plan.formats.push(format);
    const isLines = source.kind === 'json' || source.kind === 'csv' || source.kind === 'text';
    plan.rows = isLines && plan.rows !== null && !/\.gz$/i.test(source.path) ? plan.rows + lines : null;
  }
  return plan;
}

async function expandInputs(inputs: readonly string[]): Promise<DataFile[]> {
  const found = new Map<string, DataFile>();
  for (const input of inputs) {
    const isThere = (await stat(input).catch(() => null)) !== null;
    const paths = isThere ? [input] : await matches(input);
    for (const path of paths) for (const file of await findFiles(path)) found.set(file.path, file);
  }
  return [...found.values()].sort((x, y) => (x.path < y.path ? -1 : 1));
}

async function matches(pattern: string): Promise<string[]> {
  const paths: string[] = [];
  if (/[*?[{]/.test(pattern)) for await (const path of glob(pattern)) paths.push(path);
  if (paths.length > 0) return paths.sort();
  throw new FactoryError({
    code: 'DATA_NOT_FOUND',
    message: `${pattern}: no such file or folder, and no file matches it`,
    remedy: 'Check the path, and quote patterns such as "data/**/*.jsonl".',
  });
}

async function hashFile(path: string): Promise<{ sha256: string; bytes: number; lines: number }> {
  const hash = createHash('sha256');
  let bytes = 0;
  let lines = 0;
  for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
    hash.update(piece);
    bytes += piece.length;
    for (let at = piece.indexOf(10); at >= 0; at = piece.indexOf(10, at + 1)) lines++;
  }
  return { sha256: hash.digest('hex'), bytes, lines };
}
