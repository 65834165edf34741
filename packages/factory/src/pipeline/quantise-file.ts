// In: a GGUF file in full precision, a type and a new name. Out: the same model in that type under that name, whole or not there.
// What is written, and in how many bytes, is known before anything is; the file is read back before it gets its name. What may
// be quantised, and manifests, are the caller's.
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { FactoryError } from '#factory/errors.ts';
import { findLlamaLibrary } from '#factory/export/quantise/llama-library.ts';
import {
  type Fallback,
  type QuantiserOptions,
  runQuantiser,
} from '#factory/export/quantise/run-quantiser.ts';
import type { QuantType } from '#factory/export/quantise/types.ts';
import { type GgufHeader, type GgufTensor, readGgufHeader } from '#factory/model/gguf/header.ts';
import { GGML_TYPES } from '#factory/records/gguf.ts';
import { isLeftover, syncFolder, temporaryName, type WrittenFile } from '#factory/store/atomic-file.ts';
import { diskError } from '#factory/store/disk-error.ts';
import { sumOf } from '#factory/store/export-manifest.ts';
import { readError } from '#factory/store/read-error.ts';
import { requireSpace } from '#factory/store/whole-folder.ts';

export interface QuantiseFileOptions {
  input: string;
  output: string;
  type: QuantType;
  allowRequantize: boolean;
  threads: number;
}

export interface QuantiseProgress {
  tensor: string;
  /** Bytes of the source whose tensors are done, of all. */
  done: number;
  total: number;
}

export interface QuantiseDeps {
  env: Readonly<Record<string, string | undefined>>;
  signal?: AbortSignal;
  note: (text: string) => void;
  progress?: (event: QuantiseProgress) => void;
}

export interface QuantisedFile {
  sum: WrittenFile;
  /** llama.cpp's. */
  release: string;
  /** Of all tensors together. */
  bitsPerWeight: number;
  /** ggml's type → number of tensors. */
  tensors: Record<string, number>;
  /** Tensors whose rows do not fit the blocks that the type calls for. */
  fallbacks: Fallback[];
}

/** What the header may grow by: file type, quantisation version. */
const HEADER_ROOM = 4096;
const ALIGNMENT = 32;

export async function quantiseFile(
  options: QuantiseFileOptions,
  source: GgufHeader,
  deps: QuantiseDeps,
): Promise<QuantisedFile> {
  const { output } = options;
  const library = findLlamaLibrary();
  const job: QuantiserOptions = { ...options, library, isDry: true };
  const planned = await runQuantiser(job, deps);
  const bytes = plannedBytes(source, planned.types, options);
  await clearLeftovers(output);
  await requireSpace(output, bytes);
  tellFallbacks(planned.fallbacks, deps.note);

  const temporary = temporaryName(output);
  try {
    await mkdir(dirname(output), { recursive: true });
    const onTensor = progressBy(source, deps.progress);
    await runQuantiser({ ...job, output: temporary, isDry: false }, { ...deps, onTensor });
    const written = await openHeader(temporary);
    compare(source, written, planned.types, options);
    await syncFile(temporary);
    const sum = await sumOf(temporary);
    deps.signal?.throwIfAborted();
    await rename(temporary, output);
    await syncFolder(dirname(output));
    return {
      sum,
      release: library.release,
      bitsPerWeight: bitsPerWeight(written),
      tensors: countTypes(written),
      fallbacks: planned.fallbacks,
    };
  } catch (error) {
    throw diskError(error, 'write', output);
  } finally {
    await rm(temporary, { force: true });
  }
}

export async function openHeader(path: string): Promise<GgufHeader> {
  const file = await open(path).catch((error: unknown) => {
    throw readError(error, path, 'MODEL_NOT_FOUND');
  });
  try {
    return await readGgufHeader(file, path);
  } catch (error) {
    throw readError(error, path, 'MODEL_BAD_FILE');
  } finally {
    await file.close();
  }
}

/** ggml writes q4_0 and q4_K. */
const byName = new Map(Object.entries(GGML_TYPES).map(([name, type]) => [name.toLowerCase(), type]));

function plannedBytes(
  { tensors }: GgufHeader,
  types: ReadonlyMap<string, string>,
  { input }: QuantiseFileOptions,
): number {
  let bytes = HEADER_ROOM + Math.min(...[...tensors.values()].map(({ start }) => start));
  for (const [name, { shape }] of tensors) {
    const type = byName.get(types.get(name)?.toLowerCase() ?? '');
    if (!type) throw otherFile(input, `a type for tensor ${name}`, types.get(name) ?? 'none');
    const size = (shape.reduce((n, d) => n * d, 1) / type.size) * type.bytes;
    bytes += Math.ceil(size / ALIGNMENT) * ALIGNMENT;
  }
  return bytes;
}

function tellFallbacks(fallbacks: readonly Fallback[], note: QuantiseDeps['note']): void {
  const groups = Map.groupBy(fallbacks, ({ columns, wanted, used }) => `${wanted} ${used} ${columns}`);
  for (const group of groups.values()) {
    const [{ columns, wanted, used }] = group;
    const names = group.map(({ tensor }) => tensor);
    const shown =
      names.length > 3 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', ');
    note(`rows of ${columns} values do not fit the blocks of ${wanted}, so these become ${used}: ${shown}`);
  }
}

function progressBy({ tensors }: GgufHeader, progress: QuantiseDeps['progress']) {
  const total = [...tensors.values()].reduce((n, { bytes }) => n + bytes, 0);
  let done = 0;
  let before = 0;
  return (tensor: string) => {
    done += before;
    before = tensors.get(tensor)?.bytes ?? 0;
    progress?.({ tensor, done, total });
  };
}

/** The file that was written has the tensors of the source in the types that were planned. */
function compare(
  source: GgufHeader,
  written: GgufHeader,
  types: ReadonlyMap<string, string>,
  { output }: QuantiseFileOptions,
): void {
  if (written.tensors.size !== source.tensors.size)
    throw otherFile(output, `${source.tensors.size} tensors`, `${written.tensors.size}`);
  const shown = ({ shape, type }: Pick<GgufTensor, 'shape'> & { type: { name: string } }) =>
    `${type.name.toLowerCase()} [${shape.join(', ')}]`;
  for (const [name, { shape }] of source.tensors) {
    const expected = shown({ shape, type: { name: types.get(name) ?? '' } });
    const found = written.tensors.get(name);
    if (!found || shown(found) !== expected)
      throw otherFile(output, `tensor ${name} as ${expected}`, found ? shown(found) : 'none');
  }
}

function otherFile(path: string, expected: string, found: string): FactoryError {
  return new FactoryError({
    code: 'EXPORT_QUANTISE_REFUSED',
    message: `${path}: expected ${expected} of llama.cpp, found ${found}; nothing was kept`,
    remedy: 'Check that the source is whole, then give the same command again.',
  });
}

function bitsPerWeight({ tensors }: GgufHeader): number {
  let bytes = 0;
  let values = 0;
  for (const tensor of tensors.values()) {
    bytes += tensor.bytes;
    values += tensor.shape.reduce((n, d) => n * d, 1);
  }
  return (8 * bytes) / values;
}

function countTypes({ tensors }: GgufHeader): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { type } of tensors.values()) counts[type.name] = (counts[type.name] ?? 0) + 1;
  return counts;
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** What a process that was killed left beside the file. */
async function clearLeftovers(output: string): Promise<void> {
  const names = await readdir(dirname(output)).catch(() => []);
  for (const name of names)
    if (name.startsWith(`${basename(output)}.tmp-`) && isLeftover(name))
      await rm(join(dirname(output), name), { force: true });
}
