// In: a matrix in float32, or what bitsandbytes made of one. Out: the same in 4 bits per value, and back. Layout: values
// row-major in blocks of 64, two to a byte, the first in the high bits; one scale (absmax) per block, which double
// quantisation keeps in 8 bits after taking off the mean. Dettmers et al. 2023, sections 3 and 4.
import { dynamicMap } from '@tunesmith/engine';
import { FOUR_BIT_CODES, FOUR_BIT_ORDER, type FourBitKind } from './codes.ts';

const BLOCK = 64;
const NESTED_BLOCK = 256;

/** Scales in 8 bits: `code[codes[i]] * scales[floor(i / blockSize)] + offset`. */
export interface NestedScales {
  codes: Uint8Array;
  code: Float32Array;
  scales: Float32Array;
  blockSize: number;
  offset: number;
}

export interface FourBitMatrix {
  shape: number[];
  /** The 16 values of the codes. */
  code: Float32Array;
  blockSize: number;
  packed: Uint8Array;
  absmax: Float32Array | NestedScales;
}

/** Float32 values in order, at most as many as asked for; the array may be used again at the next call. */
export type ReadValues = (from: number, to: number) => Float32Array;

/** Values are read in pieces, so that a matrix that rests in 16 bits never stands in memory as float32. */
const PIECE = 64 * BLOCK * NESTED_BLOCK;

export function quantise4Bit(
  read: ReadValues,
  shape: number[],
  kind: FourBitKind,
  nested: boolean,
): FourBitMatrix {
  const count = shape.reduce((n, d) => n * d, 1);
  const packed = new Uint8Array(Math.ceil(count / 2));
  const absmax = new Float32Array(Math.ceil(count / BLOCK));
  const grid = makeGrid(kind);
  for (let from = 0; from < count; from += PIECE) {
    const values = read(from, Math.min(count, from + PIECE));
    for (let at = 0; at < values.length; at += BLOCK) {
      const start = from + at;
      absmax[start / BLOCK] = packBlock(values, at, packed, start / 2, grid);
    }
  }
  return {
    shape,
    code: FOUR_BIT_CODES[kind],
    blockSize: BLOCK,
    packed,
    absmax: nested ? nestScales(absmax) : absmax,
  };
}

/** Packs values[at] and up to 63 more into bytes from `to` on, and returns their largest magnitude. */
function packBlock(values: Float32Array, at: number, packed: Uint8Array, to: number, grid: Grid): number {
  const { fround } = Math;
  const { edge, low, high } = grid;
  const end = Math.min(values.length, at + BLOCK);
  let max = 0;
  for (let i = at; i < end; i++) {
    const magnitude = Math.abs(values[i]);
    if (magnitude > max) max = magnitude;
  }
  const divisor = Math.max(max, 1e-38);
  const factor = fround(1 / fround(divisor));
  // A last block that is not full is divided, all others are multiplied: bitsandbytes' arithmetic, not ours.
  const isFull = end - at === BLOCK;
  const nearest = (x: number): number => {
    const scaled = isFull ? fround(x * factor) : fround(x / divisor);
    const v = Math.min(scaled, 1);
    const cell = ((v + 1) * (CELLS / 2)) | 0;
    return v > edge[cell] ? high[cell] : low[cell];
  };
  // An odd count is padded with a zero.
  for (let i = at; i < end; i += 2)
    packed[to++] = (nearest(values[i]) << 4) | nearest(i + 1 < end ? values[i + 1] : 0);
  return !isFull && max === 0 ? fround(divisor) : max;
}

/** Cells so small that none holds two bounds between codes; fp4 has bounds at 0 and 0.0026. */
const CELLS = 2048;

/** Per cell of -1 … 1 the bound in it, and the codes below and above the bound. */
interface Grid {
  edge: Float64Array;
  low: Uint8Array;
  high: Uint8Array;
}

/** Finds the code whose value is nearest, the lower one at equal distance. */
function makeGrid(kind: FourBitKind): Grid {
  const { fround } = Math;
  const order = FOUR_BIT_ORDER[kind];
  const code = FOUR_BIT_CODES[kind];
  const bounds = Array.from({ length: 15 }, (_, i) =>
    fround(fround(code[order[i]] + code[order[i + 1]]) / 2),
  );
  const edge = new Float64Array(CELLS + 1).fill(Number.POSITIVE_INFINITY);
  const low = new Uint8Array(CELLS + 1);
  const high = new Uint8Array(CELLS + 1);
  for (let cell = 0; cell <= CELLS; cell++) {
    const [from, to] = [(cell / CELLS) * 2 - 1, ((cell + 1) / CELLS) * 2 - 1];
    const below = bounds.filter((b) => b < from).length;
    edge[cell] = bounds.find((b) => b >= from && b < to) ?? Number.POSITIVE_INFINITY;
    low[cell] = order[below];
    high[cell] = order[Math.min(15, below + 1)];
  }
  return { edge, low, high };
}

function nestScales(absmax: Float32Array): NestedScales {
  const { fround } = Math;
  const code = dynamicMap(true);
  // In double precision, rounded once. PyTorch sums in float32 in an order of the machine's own, so its last bit may differ.
  const offset = fround(absmax.reduce((sum, v) => sum + v, 0) / absmax.length);
  const codes = new Uint8Array(absmax.length);
  const scales = new Float32Array(Math.ceil(absmax.length / NESTED_BLOCK));
  for (let block = 0; block < scales.length; block++) {
    const from = block * NESTED_BLOCK;
    const to = Math.min(absmax.length, from + NESTED_BLOCK);
    let max = 0;
    for (let i = from; i < to; i++) max = Math.max(max, Math.abs(fround(absmax[i] - offset)));
    scales[block] = max;
    // With a scale of 0 any code will do; bitsandbytes has 0.
    if (max === 0) continue;
    for (let i = from; i < to; i++) codes[i] = nearest8Bit(fround(fround(absmax[i] - offset) / max), code);
  }
  return { codes, code, scales, blockSize: NESTED_BLOCK, offset };
}

function nearest8Bit(value: number, code: Float32Array): number {
  const { fround, abs } = Math;
  let low = 0;
  let high = code.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (code[middle] <= value) low = middle;
    else high = middle - 1;
  }
  if (low === code.length - 1) return low;
  return fround(abs(value - code[low + 1])) < fround(abs(value - code[low])) ? low + 1 : low;
}

/** Writes code value times scale of every value, rounded to float32: what bitsandbytes computes. */
export function dequantise4Bit({ code, packed, absmax, blockSize }: FourBitMatrix, into: Float32Array): void {
  const { fround } = Math;
  const flat = absmax instanceof Float32Array ? absmax : null;
  const nested = absmax instanceof Float32Array ? null : absmax;
  const blocks = Math.ceil(into.length / blockSize);
  const scaled = new Float32Array(16);
  for (let block = 0; block < blocks; block++) {
    const scale = flat
      ? flat[block]
      : fround(
          fround(nested!.code[nested!.codes[block]] * nested!.scales[Math.floor(block / nested!.blockSize)]) +
            nested!.offset,
        );
    for (let k = 0; k < 16; k++) scaled[k] = code[k] * scale;
    const from = block * blockSize;
    const to = Math.min(into.length, from + blockSize);
    const even = to - ((to - from) & 1);
    let at = from >> 1;
    for (let i = from; i < even; i += 2) {
      const pair = packed[at++];
      into[i] = scaled[pair >> 4];
      into[i + 1] = scaled[pair & 15];
    }
    if (even < to) into[even] = scaled[packed[at] >> 4];
  }
}

export function fourBitBytes({ packed, absmax }: FourBitMatrix): number {
  return (
    packed.byteLength +
    (absmax instanceof Float32Array
      ? absmax.byteLength
      : absmax.codes.byteLength + absmax.scales.byteLength + absmax.code.byteLength)
  );
}
