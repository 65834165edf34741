// In: nothing. Out: the code books of bitsandbytes: which number a 4-bit or 8-bit code stands for. Its names and values,
// to the last bit (`get_4bit_type` and `create_dynamic_map` of bitsandbytes.functional).

export type FourBitKind = 'nf4' | 'fp4';

// biome-ignore format: a table
const NF4 = Float32Array.of(
  -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453,
  -0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0,
  0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
  0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
);
// Sign, two bits of exponent, one of mantissa; over 12, the largest.
const FP4 = Float32Array.from(
  [0, 0.0625, 8, 12, 4, 6, 2, 3, 0, -0.0625, -8, -12, -4, -6, -2, -3],
  (v) => v / 12,
);

export const FOUR_BIT_CODES: Readonly<Record<FourBitKind, Float32Array>> = { nf4: NF4, fp4: FP4 };

/** The codes in rising order of their values. fp4 has two zeros, of which this is the order that bitsandbytes takes. */
export const FOUR_BIT_ORDER: Readonly<Record<FourBitKind, readonly number[]>> = {
  nf4: Array.from({ length: 16 }, (_, i) => i),
  fp4: [11, 10, 13, 12, 15, 14, 9, 0, 8, 1, 6, 7, 4, 5, 2, 3],
};

/** The signed dynamic 8-bit map, rising: a decimal exponent of -6 to 0, and a fraction that is finer the larger it is. */
export function dynamicMap(): Float32Array {
  const { fround } = Math;
  const values = [0, 1];
  for (let i = 0; i < 7; i++) {
    const edges = linspace(fround(0.1), 1, 2 ** i + 1);
    const decade = fround(10 ** (i - 6));
    for (let k = 0; k < 2 ** i; k++) {
      const value = fround(decade * fround(fround(edges[k] + edges[k + 1]) / 2));
      values.push(value, -value);
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
