// In: a matrix in float32. Out: 8 bits per value and one scale per row, as bitsandbytes keeps the weights of LLM.int8(),
// and back. Its other half, keeping outlying activations in 16 bits, concerns products in int8, and there are none here:
// weights are turned back into numbers and the arithmetic is float32. Dettmers et al. 2022, section 2.
import type { ReadValues } from './four-bit.ts';

export interface EightBitMatrix {
  /** [out, in] */
  shape: number[];
  values: Int8Array;
  /** [out], the largest magnitude of each row. */
  rowMax: Float32Array;
}

export function quantise8Bit(read: ReadValues, shape: number[]): EightBitMatrix {
  const { fround } = Math;
  const [rows, width] = shape;
  const values = new Int8Array(rows * width);
  const rowMax = new Float32Array(rows);
  const row = new Float16Array(width);
  for (let r = 0; r < rows; r++) {
    // bitsandbytes rounds to float16 first.
    row.set(read(r * width, (r + 1) * width));
    let max = 0;
    for (let i = 0; i < width; i++) max = Math.max(max, Math.abs(row[i]));
    rowMax[r] = max;
    if (max === 0) continue;
    const factor = fround(fround(1 / max) * 127);
    for (let i = 0; i < width; i++) values[r * width + i] = roundHalfToEven(fround(row[i] * factor));
  }
  return { shape, values, rowMax };
}

function roundHalfToEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** 1 / 127 as bitsandbytes writes it. */
const INVERSE = Math.fround(7.874015718698502e-3);

export function dequantise8Bit({ shape, values, rowMax }: EightBitMatrix, into: Float32Array): void {
  const { fround } = Math;
  const [rows, width] = shape;
  for (let r = 0, at = 0; r < rows; r++) {
    const max = rowMax[r];
    for (const end = at + width; at < end; at++) into[at] = fround(values[at] * max) * INVERSE;
  }
}
