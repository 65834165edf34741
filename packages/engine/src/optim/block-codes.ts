// In: float32 values. Out: the same in 8 bits each, with one scale per block of 256, as bitsandbytes keeps optimiser state
// (Dettmers et al. 2022, "8-bit Optimizers via Block-wise Quantization"), and back.

const BLOCK = 256;

/**
 * The dynamic 8-bit map, rising: a decimal exponent of -6 to 0, and a fraction that is finer the larger it is. Signed, or with
 * twice as many fractions and no sign.
 */
export function dynamicMap(signed: boolean): Float32Array {
  const { fround } = Math;
  const values = [0, 1];
  for (let i = 0; i < 7; i++) {
    const count = 2 ** (signed ? i : i + 1);
    const edges = linspace(fround(0.1), 1, count + 1);
    const decade = fround(10 ** (i - 6));
    for (let k = 0; k < count; k++) {
      const value = fround(decade * fround(fround(edges[k] + edges[k + 1]) / 2));
      values.push(value, ...(signed ? [-value] : []));
    }
  }
  return Float32Array.from(values).sort();
}

/** In float32, from both ends, and with fused multiplication and addition, as PyTorch does. */
function linspace(start: number, end: number, count: number): Float32Array {
  const { fround } = Math;
  const step = fround(fround(end - start) / (count - 1));
  return Float32Array.from({ length: count }, (_, i) =>
    i < count >> 1 ? start + step * i : end - step * (count - 1 - i),
  );
}

/** Of `count` values. */
export const blockCount = (count: number) => Math.ceil(count / BLOCK);

/** Writes code value times scale of block `block` and returns how many values it has. */
export function readBlock(
  block: number,
  { codes, scales, map }: Coded,
  count: number,
  into: Float32Array,
): number {
  const from = block * BLOCK;
  const size = Math.min(BLOCK, count - from);
  const scale = scales[block];
  for (let i = 0; i < size; i++) into[i] = map[codes[from + i]] * scale;
  return size;
}

export interface Coded {
  codes: Uint8Array;
  /** Largest magnitude of each block. */
  scales: Float32Array;
  map: Float32Array;
}

/** The first `size` values as block `block`: of each the nearest code, the lower one at equal distance. */
export function writeBlock(
  block: number,
  { codes, scales, map }: Coded,
  values: Float32Array,
  size: number,
): void {
  const { fround, abs } = Math;
  const from = block * BLOCK;
  let max = 0;
  for (let i = 0; i < size; i++) max = Math.max(max, abs(values[i]));
  scales[block] = max;
  // With a scale of 0 any code will do.
  if (max === 0) return;
  const perMax = fround(1 / max);
  for (let i = 0; i < size; i++) {
    // The reciprocal of the smallest numbers is infinite.
    const value = fround(perMax < Infinity ? values[i] * perMax : values[i] / max);
    let low = 0;
    let high = map.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (map[middle] <= value) low = middle;
      else high = middle - 1;
    }
    const isNext = low + 1 < map.length && fround(abs(value - map[low + 1])) < fround(abs(value - map[low]));
    codes[from + i] = isNext ? low + 1 : low;
  }
}
