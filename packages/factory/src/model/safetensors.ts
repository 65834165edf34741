// In: the folder of a Hugging Face checkpoint. Out: its tensors, headers checked, bytes read one tensor at a time.
// safetensors only: a .bin or .pt file is a pickle, which can run code on loading, so it is refused.
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { endianness } from 'node:os';
import { basename, join } from 'node:path';
import { FactoryError, invariant } from '#factory/errors.ts';
import type { WeightSource, WeightTensor } from '#factory/records/model-config.ts';
import { errnoOf } from '#factory/store/disk-error.ts';
import { readError } from '#factory/store/read-error.ts';
import { readJsonObject } from '#factory/store/read-json.ts';
import {
  readRange,
  readSafetensorsHeader,
  type SafetensorsReader,
} from '#factory/store/safetensors-format.ts';

/** A checkpoint on disk. `tensors` holds what can be read; `otherDtypes` what is there in a type that cannot. */
export interface SafetensorsSource extends WeightSource {
  readonly otherDtypes: ReadonlyMap<string, { dtype: string; shape: number[]; file: string }>;
}

interface Place {
  dtype: string;
  shape: number[];
  file: string;
  handle: FileHandle;
  start: number;
}

const SINGLE = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';
const READER: SafetensorsReader = {
  code: 'MODEL_BAD_FILE',
  remedy: 'Get this file again from where the model came from, and check that the download is complete.',
};

export async function openSafetensors(dir: string): Promise<SafetensorsSource> {
  invariant(endianness() === 'LE', 'safetensors are read in place and need a little-endian machine');
  const places = new Map<string, Place>();
  const handles: FileHandle[] = [];
  const close = async () => {
    await Promise.all(handles.splice(0).map((handle) => handle.close()));
  };
  try {
    const { files, owner } = await findFiles(dir);
    for (const file of files) await openFile(join(dir, file), file, owner, places, handles);
    for (const [name, file] of owner ?? []) {
      if (!places.has(name))
        throw wrongIndex(dir, `tensor ${name} in ${file}, as weight_map says`, 'no such tensor there');
    }
  } catch (error) {
    await close();
    throw error;
  }
  return sourceOf(places, close);
}

function sourceOf(places: ReadonlyMap<string, Place>, close: () => Promise<void>): SafetensorsSource {
  const tensors = new Map<string, { dtype: WeightTensor['dtype']; shape: number[]; file: string }>();
  const otherDtypes = new Map<string, { dtype: string; shape: number[]; file: string }>();
  for (const [name, { dtype, shape, file }] of places) {
    if (dtype === 'F32' || dtype === 'F16' || dtype === 'BF16') tensors.set(name, { dtype, shape, file });
    else otherDtypes.set(name, { dtype, shape, file });
  }
  const readInto = async (name: string, bytes: Uint8Array, offset = 0) => {
    const place = places.get(name);
    invariant(place, `no readable tensor ${name}`);
    try {
      await readRange(place.handle, bytes, place.start + offset, place.file, READER);
    } catch (error) {
      throw readError(error, place.file, 'MODEL_BAD_FILE');
    }
  };
  return {
    tensors,
    otherDtypes,
    close,
    readInto,
    async read(name) {
      const entry = tensors.get(name);
      invariant(entry, `no readable tensor ${name}`);
      const count = entry.shape.reduce((total, size) => total * size, 1);
      const data = entry.dtype === 'F32' ? new Float32Array(count) : new Uint16Array(count);
      await readInto(name, new Uint8Array(data.buffer));
      return { name, dtype: entry.dtype, shape: entry.shape, data };
    },
  };
}

async function openFile(
  path: string,
  file: string,
  owner: ReadonlyMap<string, string> | null,
  places: Map<string, Place>,
  handles: FileHandle[],
): Promise<void> {
  let handle: FileHandle;
  try {
    handle = await open(path, 'r');
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw readError(error, path, 'MODEL_BAD_FILE');
    throw new FactoryError({
      code: 'MODEL_BAD_FILE',
      message: `${path}: expected this shard, which ${INDEX} names, found no such file`,
      remedy: 'Get the missing shard from where the model came from and put it into the folder.',
      details: { path },
    });
  }
  handles.push(handle);
  try {
    const { tensors } = await readSafetensorsHeader(handle, path, READER);
    for (const [name, { dtype, shape, start }] of tensors) {
      // The index decides where two shards hold the same name.
      const rightful = owner?.get(name);
      if (rightful === undefined ? !places.has(name) : rightful === file) {
        places.set(name, { dtype, shape, file: path, handle, start });
      }
    }
  } catch (error) {
    throw readError(error, path, 'MODEL_BAD_FILE');
  }
}

/** `model.safetensors`, or the shards that the index names; in that order, as transformers looks. */
async function findFiles(dir: string): Promise<{ files: string[]; owner: Map<string, string> | null }> {
  const names = await listFolder(dir);
  if (names.includes(SINGLE)) return { files: [SINGLE], owner: null };
  if (names.includes(INDEX)) return readIndex(dir);
  throw noWeights(dir, names);
}

async function readIndex(dir: string): Promise<{ files: string[]; owner: Map<string, string> }> {
  const index = await readJsonObject(join(dir, INDEX), READER);
  const map = index?.weight_map;
  if (map === null || typeof map !== 'object' || Array.isArray(map)) {
    throw wrongIndex(
      dir,
      'weight_map, an object from tensor names to files',
      JSON.stringify(map)?.slice(0, 80) ?? 'nothing',
    );
  }
  const owner = new Map<string, string>();
  for (const [name, file] of Object.entries(map)) {
    if (
      typeof file !== 'string' ||
      basename(file) !== file ||
      file.includes('\\') ||
      !file.endsWith('.safetensors')
    ) {
      throw wrongIndex(
        dir,
        `a .safetensors file of this folder for tensor ${name}`,
        JSON.stringify(file).slice(0, 80),
      );
    }
    owner.set(name, file);
  }
  if (owner.size === 0) throw wrongIndex(dir, 'at least one tensor in weight_map', 'none');
  return { files: [...new Set(owner.values())].sort(), owner };
}

async function listFolder(dir: string): Promise<string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ENOTDIR')
      throw readError(error, dir, 'MODEL_BAD_FILE');
    throw new FactoryError({
      code: 'MODEL_NOT_FOUND',
      message: `${dir}: expected the folder of a model, found no such folder`,
      remedy:
        'Set model_name_or_path to a folder in Hugging Face layout: config.json beside model.safetensors.',
      details: { dir },
    });
  }
}

function noWeights(dir: string, names: readonly string[]): FactoryError {
  const pickle = names.find((name) => /\.(bin|pt|pth|ckpt)$/.test(name) && !name.startsWith('training_args'));
  if (pickle) {
    return new FactoryError({
      code: 'MODEL_BAD_FILE',
      message: `${join(dir, pickle)}: expected safetensors, found PyTorch pickle weights, which can run code when loaded`,
      remedy:
        'Use a safetensors copy of the model, or convert it with save_pretrained(dir, safe_serialization=True).',
      details: { dir, file: pickle },
    });
  }
  const isAdapter = names.includes('adapter_model.safetensors');
  const found = isAdapter ? 'an adapter (adapter_model.safetensors)' : describe(names);
  return new FactoryError({
    code: 'MODEL_BAD_FILE',
    message: `${dir}: expected ${SINGLE} or ${INDEX} with its shards, found ${found}`,
    remedy: isAdapter
      ? 'Set model_name_or_path to the base model and adapter_name_or_path to this folder.'
      : 'Set model_name_or_path to a folder that holds the weights as safetensors.',
    details: { dir },
  });
}

function describe(names: readonly string[]): string {
  if (names.length === 0) return 'an empty folder';
  return names.slice(0, 6).join(', ') + (names.length > 6 ? `, … (${names.length} files)` : '');
}

function wrongIndex(dir: string, expected: string, found: string): FactoryError {
  return new FactoryError({
    code: 'MODEL_BAD_FILE',
    message: `${join(dir, INDEX)}: expected ${expected}, found ${found}`,
    remedy: READER.remedy,
    details: { dir },
  });
}
