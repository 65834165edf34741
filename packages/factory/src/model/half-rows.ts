// In: a matrix as it rests in memory. Out: single rows of it as float32.
import type { StoredWeight } from './parameter.ts';

/** Copies row `index` of [rows, width] to `out` [width]. */
export function decodeRow(weight: StoredWeight, index: number, out: Float32Array): void {
  const width = weight.shape[1];
  const { data } = weight;
  if (weight.dtype === 'f32') out.set((data as Float32Array).subarray(index * width, (index + 1) * width));
  else out.set(new Float16Array(data.buffer as ArrayBuffer, data.byteOffset + index * width * 2, width));
}

/** Rows `ids` of the embedding, one after the other: [ids.length, width]. */
export function embedRows(weight: StoredWeight, ids: Int32Array, out: Float32Array): void {
  const width = weight.shape[1];
  for (let i = 0; i < ids.length; i++) decodeRow(weight, ids[i], out.subarray(i * width, (i + 1) * width));
}
