// In: nothing. Out: the code books of bitsandbytes: which number a 4-bit code stands for. Its names and values,
// to the last bit (`get_4bit_type` of bitsandbytes.functional).

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
