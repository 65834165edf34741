// In: files, folders and globs as a person named them. Out: the data files in order, each with its hash, size and format, and
// an estimate of their rows. The same files give the same plan, whatever the order in which they were named.
import { createHash, hash } from 'node:crypto';
import { createReadStream, readFileSync } from 'node:fs';
import { glob, readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { FactoryError } from '#factory/errors.ts';
import type { InputFile } from '#factory/records/ledger.ts';
import { type FileFormat, findFormat } from './clean-input.ts';
import type { RecipeInput } from './clean-recipe.ts';
import { type DataFile, dataFile, EXTENSIONS, NOT_DATA } from './find-files.ts';
import { encodingOf } from './text-stream.ts';

export interface InputPlan {
  files: InputFile[];
  sources: DataFile[];
  /** Null for a file without any usable row. */
  formats: (FileFormat | null)[];
  /** Lines of all files where each is one row, else null: a measure of progress. */
  rows: number | null;
}

export async function describeInputs(
  inputs: readonly string[],
  input: RecipeInput,
  signal?: AbortSignal,
): Promise<InputPlan> {
  const sources = await expandInputs(inputs, input.read_as);
  const plan: InputPlan = { files: [], sources, formats: [], rows: 0 };
  const seen = new Map<string, number>();
  const shared: { mail: FileFormat | null } = { mail: null };
  for (const source of sources) {
    if (signal?.aborted) return plan;
    const { sha256, bytes, lines } =
      source.kind === 'mail' ? hashSmall(source.path) : await hashFile(source.path);
    // The same bytes under two names are two files, so that no two rows have one id.
    const copies = seen.get(sha256) ?? 0;
    seen.set(sha256, copies + 1);
    const format =
      source.kind === 'mail' && shared.mail !== null ? shared.mail : await findFormat(source, input);
    if (source.kind === 'mail') shared.mail = format;
    const name = format === null ? source.kind : `${source.kind}, ${format.entry.formatting}, ${format.kind}`;
    const isText = source.kind === 'json' || source.kind === 'csv' || source.kind === 'text';
    const encoding = isText ? await encodingOf(source.path) : 'binary';
    plan.files.push({
      path: source.path,
      sha256: copies === 0 ? sha256 : `${sha256}#${copies + 1}`,
      ...{ bytes, encoding, format: name },
    });
    plan.formats.push(format);
    const isLines = isText && !/\.(gz|zst)$/i.test(source.path);
    const rows = source.kind === 'mail' ? 1 : isLines ? lines : null;
    plan.rows = plan.rows === null || rows === null ? null : plan.rows + rows;
  }
  return plan;
}

async function expandInputs(inputs: readonly string[], readAs: RecipeInput['read_as']): Promise<DataFile[]> {
  const found = new Map<string, DataFile>();
  const add = (path: string, isNamed: boolean) => {
    const file = readAs === 'mail' ? ({ path, kind: 'mail' } as const) : dataFile(path);
    if (file !== null && (isNamed || !NOT_DATA.has(basename(path)))) found.set(path, file);
    else if (isNamed) throw notData(path);
  };
  for (const input of inputs) {
    const info = await stat(input).catch(() => null);
    const before = found.size;
    if (info?.isDirectory()) for (const path of await filesBelow(input)) add(path, false);
    else if (info !== null) add(input, true);
    else for (const path of await matches(input)) add(path, false);
    if (found.size === before && info?.isDirectory()) throw notData(input);
  }
  return [...found.values()].sort((x, y) => (x.path < y.path ? -1 : 1));
}

/** All files of a folder and of those in it, but for hidden ones. */
async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
    .map((entry) => join(entry.parentPath, entry.name));
}

function notData(path: string): FactoryError {
  return new FactoryError({
    code: 'DATA_UNSUPPORTED_FORMAT',
    message: `${path}: expected ${EXTENSIONS}`,
    remedy: 'Convert the file to JSON Lines, CSV or Parquet, or set "read_as" under "input" of the recipe.',
  });
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

/** Thousands of small files: one synchronous read each is several times faster than as many streams. */
function hashSmall(path: string): { sha256: string; bytes: number; lines: number } {
  const bytes = readFileSync(path);
  return { sha256: hash('sha256', bytes, 'hex'), bytes: bytes.length, lines: 1 };
}

async function hashFile(path: string): Promise<{ sha256: string; bytes: number; lines: number }> {
  const sum = createHash('sha256');
  let bytes = 0;
  let lines = 0;
  for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
    sum.update(piece);
    bytes += piece.length;
    for (let at = piece.indexOf(10); at >= 0; at = piece.indexOf(10, at + 1)) lines++;
  }
  return { sha256: sum.digest('hex'), bytes, lines };
}
