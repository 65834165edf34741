// In: blocks of ggml's tensor types as they lie in a GGUF file. Out: their values in float32, as gguf-py's
// `dequantize` computes them, to the last bit, and q8_0 back. Layouts: ggml-quants.h. The other types are packed by ggml itself.
import { GGML_TYPES, type GgmlType } from '#factory/records/gguf.ts';

export interface BlockType {
  name: GgmlType;
  /** Values per block. */
  size: number;
  /** Bytes per block. */
  bytes: number;
  /** Where in a block its float16 scales stand. */
  scales: readonly number[];
  /** Plain types are read as they are and need no unpacking. */
  plain: 'F32' | 'F16' | 'BF16' | null;
  /** Writes the values of `count` blocks that begin at byte `at` to `into`, from index `to` on. */
  expand(from: Uint8Array, at: number, count: number, into: Float32Array, to: number): void;
}

const { fround } = Math;

const HALF = new Float32Array(65_536);
let isHalfFilled = false;

/** The float16 number at byte `at`. */
function half(from: Uint8Array, at: number): number {
  if (!isHalfFilled) {
    HALF.set(new Float16Array(Uint16Array.from({ length: 65_536 }, (_, i) => i).buffer));
    isHalfFilled = true;
  }
  return HALF[from[at] | (from[at + 1] << 8)];
}

function q4(offset: number, hasMin: boolean): BlockType['expand'] {
  return (from, start, count, into, to) => {
    for (let b = 0, at = start, o = to; b < count; b++, o += 32) {
      const d = half(from, at);
      const m = hasMin ? half(from, at + 2) : 0;
      at += hasMin ? 4 : 2;
      for (let i = 0; i < 16; i++) {
        const pair = from[at++];
        into[o + i] = fround(d * ((pair & 15) - offset)) + m;
        into[o + i + 16] = fround(d * ((pair >> 4) - offset)) + m;
      }
    }
  };
}

function q5(offset: number, hasMin: boolean): BlockType['expand'] {
  return (from, start, count, into, to) => {
    for (let b = 0, at = start, o = to; b < count; b++, o += 32) {
      const d = half(from, at);
      const m = hasMin ? half(from, at + 2) : 0;
      at += hasMin ? 4 : 2;
      const high = from[at] | (from[at + 1] << 8) | (from[at + 2] << 16) | (from[at + 3] << 24);
      at += 4;
      for (let i = 0; i < 16; i++) {
        const pair = from[at++];
        into[o + i] = fround(d * (((pair & 15) | (((high >>> i) & 1) << 4)) - offset)) + m;
        into[o + i + 16] = fround(d * (((pair >> 4) | (((high >>> (i + 16)) & 1) << 4)) - offset)) + m;
      }
    }
  };
}

const q8: BlockType['expand'] = (from, start, count, into, to) => {
  for (let b = 0, at = start, o = to; b < count; b++) {
    const d = half(from, at);
    at += 2;
    for (const end = o + 32; o < end; o++) into[o] = ((from[at++] << 24) >> 24) * d;
  }
};

const q2k: BlockType['expand'] = (from, start, count, into, to) => {
  for (let b = 0, at = start, o = to; b < count; b++, at += 84) {
    const d = half(from, at + 80);
    const dmin = half(from, at + 82);
    for (let group = 0; group < 16; group++, o += 16) {
      const scale = from[at + group];
      const dl = fround(d * (scale & 15));
      const ml = fround(dmin * (scale >> 4));
      const q = at + 16 + (group >> 3) * 32 + (group & 1) * 16;
      const shift = ((group >> 1) & 3) * 2;
      for (let i = 0; i < 16; i++) into[o + i] = fround(dl * ((from[q + i] >> shift) & 3)) - ml;
    }
  }
};

const q3k: BlockType['expand'] = (from, start, count, into, to) => {
  for (let b = 0, at = start, o = to; b < count; b++, at += 110) {
    const d = half(from, at + 108);
    const scales = at + 96;
    for (let group = 0; group < 16; group++, o += 16) {
      const low = group < 8 ? from[scales + group] & 15 : from[scales + group - 8] >> 4;
      const high = (from[scales + 8 + (group & 3)] >> ((group >> 2) * 2)) & 3;
      const dl = fround(d * ((low | (high << 4)) - 32));
      const q = at + 32 + (group >> 3) * 32 + (group & 1) * 16;
      const mask = at + (group & 1) * 16;
      const shift = ((group >> 1) & 3) * 2;
      for (let i = 0; i < 16; i++) {
        const bit = (from[mask + i] >> (group >> 1)) & 1;
        into[o + i] = dl * (((from[q + i] >> shift) & 3) - (bit ? 0 : 4));
      }
    }
  }
};

/** The 6-bit scale and minimum of group `j` (of 8) in the 12 bytes at `at`. */
function scaleMin(from: Uint8Array, at: number, j: number): [number, number] {
  if (j < 4) return [from[at + j] & 63, from[at + 4 + j] & 63];
  const mixed = from[at + 4 + j];
  return [(mixed & 15) | ((from[at + j - 4] >> 2) & 48), (mixed >> 4) | ((from[at + j] >> 2) & 48)];
}

const q4k: BlockType['expand'] = (from, start, count, into, to) => {
  for (let b = 0, at = start, o = to; b < count; b++, at += 144) {
    const d = half(from, at);
    const dmin = half(from, at + 2);
    for (let j = 0; j < 8; j++, o += 32) {
      const [scale, min] = scaleMin(from, at + 4, j);
      const dl = fround(d * scale);
      const ml = fround(dmin * min);
      const q = at + 16 + (j >> 1) * 32;
      const shift = (j & 1) * 4;
      for (let i = 0; i < 32; i++) into[o + i] = fround(dl * ((from[q + i] >> shift) & 15)) - ml;
    }
  }
};

const q5k: BlockType['expand'] = (from, start, count, into, to) => {
  for (let b = 0, at = start, o = to; b < count; b++, at += 176) {
    const d = half(from, at);
    const dmin = half(from, at + 2);
    for (let j = 0; j < 8; j++, o += 32) {
      const [scale, min] = scaleMin(from, at + 4, j);
      const dl = fround(d * scale);
      const ml = fround(dmin * min);
      const high = at + 16;
      const q = at + 48 + (j >> 1) * 32;
      const shift = (j & 1) * 4;
      for (let i = 0; i < 32; i++) {
        const value = ((from[q + i] >> shift) & 15) | (((from[high + i] >> j) & 1) << 4);
        into[o + i] = fround(dl * value) - ml;
      }
    }
  }
};

const q6k: BlockType['expand'] = (from, start, count, into, to) => {
  for (let b = 0, at = start, o = to; b < count; b++, at += 210) {
    const d = half(from, at + 208);
    for (let group = 0; group < 16; group++, o += 16) {
      const dl = fround(d * ((from[at + 192 + group] << 24) >> 24));
      // Groups of 16 values: two to a row of 32, four rows to each half of the block.
      const part = group >> 3;
      const row = (group >> 1) & 3;
      const column = (group & 1) * 16;
      const low = at + part * 64 + (row & 1) * 32 + column;
      const high = at + 128 + part * 32 + column;
      for (let i = 0; i < 16; i++) {
        const value = ((from[low + i] >> ((row >> 1) * 4)) & 15) | (((from[high + i] >> (row * 2)) & 3) << 4);
        into[o + i] = dl * (value - 32);
      }
    }
  }
};

/** Float32 values in whole blocks as q8_0, with the roundings of gguf-py's quants.py. */
export function quantiseQ8(values: Float32Array): Uint8Array {
  const { size, bytes } = GGML_TYPES.Q8_0;
  const blocks = values.length / size;
  const out = new Uint8Array(blocks * bytes);
  const scales = new Float16Array(1);
  const scaleBytes = new Uint8Array(scales.buffer);
  for (let b = 0, at = 0; b < blocks; b++, at += bytes) {
    let largest = 0;
    for (let i = 0; i < size; i++) largest = Math.max(largest, Math.abs(values[b * size + i]));
    const d = fround(largest / 127);
    const inverse = d === 0 ? 0 : fround(1 / d);
    scales[0] = d;
    out.set(scaleBytes, at);
    for (let i = 0; i < size; i++) {
      const x = fround(values[b * size + i] * inverse);
      // Halves away from zero.
      out[at + 2 + i] = Math.sign(x) * Math.floor(Math.abs(x) + 0.5);
    }
  }
  return out;
}

const packed = (
  name: Exclude<GgmlType, 'F32' | 'F16' | 'BF16'>,
  scales: readonly number[],
  expand: BlockType['expand'],
): [number, BlockType] => {
  const { id, size, bytes } = GGML_TYPES[name];
  return [id, { name, size, bytes, scales, plain: null, expand }];
};
const plain = (name: 'F32' | 'F16' | 'BF16'): [number, BlockType] => {
  const { id, size, bytes } = GGML_TYPES[name];
  return [id, { name, size, bytes, scales: [], plain: name, expand() {} }];
};

/** By ggml's number. */
export const BLOCK_TYPES: ReadonlyMap<number, BlockType> = new Map([
  plain('F32'),
  plain('F16'),
  packed('Q4_0', [0], q4(8, false)),
  packed('Q4_1', [0, 2], q4(0, true)),
  packed('Q5_0', [0], q5(16, false)),
  packed('Q5_1', [0, 2], q5(0, true)),
  packed('Q8_0', [0], q8),
  packed('Q2_K', [80, 82], q2k),
  packed('Q3_K', [108], q3k),
  packed('Q4_K', [0, 2], q4k),
  packed('Q5_K', [0, 2], q5k),
  packed('Q6_K', [208], q6k),
  plain('BF16'),
]);
