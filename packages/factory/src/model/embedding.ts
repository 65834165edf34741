// In: an embedding matrix, at hand or in the files of a checkpoint. Out: its rows by token id, as float32. A frozen matrix
// that the output head does not share need not be in memory: a batch looks at few of its rows.
import type { WeightSource, WeightTensor } from '#factory/records/model-config.ts';
import { f16ToF32 } from './half.ts';
import { embedRows } from './half-rows.ts';
import { type LoadOptions, toStored } from './load-weights.ts';
import type { StoredWeight } from './parameter.ts';

/** Rows `ids`, one after the other: [ids.length, hidden]. */
export type EmbeddingRows = (ids: Int32Array) => Promise<Float32Array>;

export const EMBEDDING = 'model.embed_tokens.weight';
/** Values that are looked through at once when a matrix on the disk is checked. */
const PIECE_VALUES = 2 ** 22;

export function residentRows(weight: StoredWeight): EmbeddingRows {
  return async (ids) => {
    const rows = new Float32Array(ids.length * weight.shape[1]);
    embedRows(weight, ids, rows);
    return rows;
  };
}

/** Rows with the values of a resident matrix; null where the source has no bytes on the disk. Reads all once, to check it. */
export async function rowsOnDisk(
  source: WeightSource,
  options: Pick<LoadOptions, 'isTrained' | 'halfStorage'>,
): Promise<EmbeddingRows | null> {
  const entry = source.tensors.get(EMBEDDING);
  if (!source.readInto || !entry) return null;
  const { dtype } = entry;
  const [vocabulary, width] = entry.shape;
  const read = async (row: number, count: number): Promise<WeightTensor> => {
    const data = dtype === 'F32' ? new Float32Array(count * width) : new Uint16Array(count * width);
    await source.readInto?.(EMBEDDING, new Uint8Array(data.buffer), row * width * data.BYTES_PER_ELEMENT);
    const name = `${EMBEDDING}, rows from ${row} on`;
    return { name, dtype, shape: [count, width], data };
  };
  const step = Math.max(1, Math.floor(PIECE_VALUES / width));
  let isWide = false;
  for (let row = 0; row < vocabulary; row += step) {
    const count = Math.min(step, vocabulary - row);
    isWide ||= (await toStored(await read(row, count), options, () => read(row, count))).widened;
  }
  // One value beyond float16 makes the whole matrix float32, as in memory.
  const asLoaded = isWide ? { ...options, isTrained: () => true } : options;
  return async (ids) => {
    const rows = new Float32Array(ids.length * width);
    for (const [i, id] of ids.entries()) {
      const { weight } = await toStored(await read(id, 1), asLoaded, () => read(id, 1));
      const into = rows.subarray(i * width, (i + 1) * width);
      if (weight.dtype === 'f16') f16ToF32(weight.data as Uint16Array, into);
      else into.set(weight.data);
    }
    return rows;
  };
}
