import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bf16ToF16Checked, bf16ToF32, f16ToF32, f32ToBf16, f32ToF16, f32ToF16Checked } from './half.ts';

const ALL = Uint16Array.from({ length: 65_536 }, (_, i) => i);

/** The value of a 16-bit pattern, from the definition. */
function decode(pattern: number, exponentBits: number): number {
  const mantissaBits = 15 - exponentBits;
  const bias = 2 ** (exponentBits - 1) - 1;
  const sign = pattern & 0x8000 ? -1 : 1;
  const exponent = (pattern & 0x7fff) >> mantissaBits;
  const mantissa = pattern & (2 ** mantissaBits - 1);
  if (exponent === 2 ** exponentBits - 1) return mantissa ? NaN : sign * Infinity;
  if (exponent === 0) return sign * mantissa * 2 ** (1 - bias - mantissaBits);
  return sign * (1 + mantissa / 2 ** mantissaBits) * 2 ** (exponent - bias);
}

/** Nearest pattern, ties to the even one, by looking at the neighbours. */
function nearest(value: number, exponentBits: number): number {
  const infinity = (2 ** exponentBits - 1) << (15 - exponentBits);
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  let low = 0;
  let high = infinity;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (decode(middle, exponentBits) <= magnitude) low = middle;
    else high = middle;
  }
  const upper =
    high === infinity
      ? decode(low, exponentBits) + (decode(low, exponentBits) - decode(low - 1, exponentBits))
      : decode(high, exponentBits);
  const middle = (decode(low, exponentBits) + upper) / 2;
  return sign | (magnitude > middle || (magnitude === middle && low % 2 === 1) ? high : low);
}

describe('16-bit floats', () => {
  it('widen every pattern exactly', () => {
    const f16 = f16ToF32(ALL);
    const bf16 = bf16ToF32(ALL);
    const wrong = ALL.filter((pattern) => !Object.is(f16[pattern], decode(pattern, 5)));
    expect([...wrong]).toEqual([]);
    // A NaN may change its bits on the way.
    expect([...ALL.filter((pattern) => !Object.is(bf16[pattern], decode(pattern, 8)))]).toEqual([]);
  });

  const float = fc.oneof(
    fc.float({ noNaN: true, noDefaultInfinity: true }),
    fc.float({ min: -70_000, max: 70_000, noNaN: true }),
    fc.float({ min: Math.fround(-1e-4), max: Math.fround(1e-4), noNaN: true }),
    fc
      .constantFrom(
        65_504,
        65_519.996,
        65_520,
        2 ** -24,
        2 ** -25,
        1.5 * 2 ** -24,
        -0,
        1 + 2 ** -11,
        1 + 3 * 2 ** -11,
        1 + 2 ** -8,
        1 + 3 * 2 ** -8,
      )
      .map(Math.fround),
  );

  it('narrow to the nearest pattern, ties to even', () =>
    fc.assert(
      fc.property(float, (value) => {
        expect(f32ToF16(Float32Array.of(value))[0]).toBe(nearest(value, 5));
        expect(f32ToBf16(Float32Array.of(value))[0]).toBe(nearest(value, 8));
      }),
      { numRuns: 3000 },
    ));

  it('come back unchanged, and keep infinity and NaN', () => {
    const isNumber = (pattern: number) => !Number.isNaN(decode(pattern, 5));
    const f16 = ALL.filter(isNumber);
    expect(f32ToF16(f16ToF32(f16))).toEqual(f16);
    const bf16 = ALL.filter((pattern) => !Number.isNaN(decode(pattern, 8)));
    expect(f32ToBf16(bf16ToF32(bf16))).toEqual(bf16);
    expect(bf16ToF32(f32ToBf16(Float32Array.of(NaN, Infinity, -Infinity)))).toEqual(
      Float32Array.of(NaN, Infinity, -Infinity),
    );
    // A NaN whose set bits are all in the half that is dropped.
    const tricky = new Float32Array(Uint32Array.of(0x7f800001, 0xffffffff).buffer);
    expect([...bf16ToF32(f32ToBf16(tricky))].every(Number.isNaN)).toBe(true);
  });

  it('bf16 to f16 equals the way through float32 and reports what did not fit', () => {
    const checked = bf16ToF16Checked(ALL);
    const values = bf16ToF32(ALL);
    const expected = f32ToF16Checked(values);
    expect(f16ToF32(checked.data)).toEqual(f16ToF32(expected.data));
    expect(checked.overflowed).toBe(expected.overflowed);
    expect(checked.maxAbsError).toBe(expected.maxAbsError);
    expect(checked.overflowed).toBe(values.filter((v) => Number.isFinite(v) && Math.abs(v) >= 65_520).length);
    // Ordinary weights are kept exactly down to f16's normal range.
    expect(bf16ToF16Checked(f32ToBf16(Float32Array.of(0.02, -1.5, 6.2e-5, 300)))).toMatchObject({
      overflowed: 0,
      maxAbsError: 0,
    });
    expect(bf16ToF16Checked(f32ToBf16(Float32Array.of(1e-8, NaN, Infinity, 7e4)))).toMatchObject({
      overflowed: 1,
      notFinite: 2,
    });
  });

  it('bf16 to f16 in place and at odd places gives the same', () => {
    const expected = bf16ToF16Checked(ALL);
    const inPlace = ALL.slice();
    expect(bf16ToF16Checked(inPlace, inPlace)).toEqual(expected);
    const shifted = new Uint16Array(ALL.length + 1);
    shifted.set(ALL, 1);
    expect([...bf16ToF16Checked(shifted.subarray(1)).data]).toEqual([...expected.data]);
    expect([...bf16ToF16Checked(ALL.subarray(0, 40_001)).data]).toEqual([
      ...expected.data.subarray(0, 40_001),
    ]);
  });

  it('write into the array they are given', () => {
    const into = new Float32Array(2);
    expect(f16ToF32(Uint16Array.of(0x3c00, 0xc000), into)).toBe(into);
    expect(into).toEqual(Float32Array.of(1, -2));
    expect(() => f32ToF16(new Float32Array(3), new Uint16Array(2))).toThrow(/internal/);
  });
});
