import { describe, expect, test } from 'vitest';
import { seededRandom } from '#factory/records/seeded-random.ts';
import { bandShape, candidateProbability, MinHasher } from './minhash.ts';
import { MinHashKernel } from './minhash-kernel.ts';

describe('bandShape', () => {
  // Computed with datasketch's rule and equal weights.
  test.each([
    [0.5, 128, 25, 5],
    [0.7, 128, 14, 9],
    [0.7, 240, 24, 10],
    [0.7, 256, 25, 10],
    [0.8, 128, 9, 13],
    [0.8, 256, 17, 15],
    [0.85, 256, 13, 19],
    [0.9, 128, 5, 25],
  ])('threshold %d, %i functions: %i bands of %i', (threshold, functions, bands, rows) => {
    const weights = { falsePositives: 0.5, falseNegatives: 0.5 };
    expect(bandShape(threshold, functions, weights)).toEqual({ bands, rows });
  });

  test.each([
    [14, 8, 0.5, 0.0533],
    [14, 8, 0.7, 0.5645],
    [14, 8, 0.8, 0.9235],
    [14, 8, 0.9, 0.9996],
    [25, 10, 0.7, 0.5115],
    [20, 13, 0.8, 0.6773],
    [20, 13, 0.9, 0.9972],
  ])('%i bands of %i find a pair of similarity %d with chance %d', (bands, rows, similarity, chance) => {
    expect(candidateProbability(similarity, { bands, rows })).toBeCloseTo(chance, 4);
  });

  test('as used here finds nine in ten of the pairs at the very threshold', () => {
    for (const threshold of [0.5, 0.6, 0.7, 0.75, 0.8, 0.9])
      expect(candidateProbability(threshold, bandShape(threshold, 256))).toBeGreaterThan(0.9);
  });
});

describe('MinHashKernel', () => {
  test('gives the least value of every function', () => {
    const random = seededRandom('kernel');
    const numbers = (n: number) => Int32Array.from({ length: n }, () => random.int(2 ** 32) | 0);
    // 254 is no multiple of the four lanes; 20,000 needs more memory than the first page.
    for (const [functions, size] of [
      [254, 1],
      [4, 31],
      [1024, 3],
      [7, 20_000],
    ] as const) {
      const [factors, shifts, set] = [numbers(functions), numbers(functions), numbers(size)];
      const expected = [...factors].map((factor, i) =>
        set.reduce((least, x) => Math.min(least, (Math.imul(x, factor) + shifts[i]!) | 0), 2 ** 31 - 1),
      );
      expect([...new MinHashKernel(factors, shifts).least(set)]).toEqual(expected);
    }
  });

  test('signatures estimate the Jaccard', () => {
    const hasher = new MinHasher({ bands: 64, rows: 16 });
    const random = seededRandom('estimate');
    const shared = Array.from({ length: 140 }, () => random.int(2 ** 32) | 0);
    const own = () => Array.from({ length: 30 }, () => random.int(2 ** 32) | 0);
    const a = hasher.signature(Int32Array.from([...shared, ...own()])).slice();
    const b = hasher.signature(Int32Array.from([...shared, ...own()]));
    const equal = a.filter((value, i) => value === b[i]).length / a.length;
    // J = 0.7; the standard deviation of 1,024 functions is 0.014.
    expect(Math.abs(equal - 0.7)).toBeLessThan(0.06);
  });
});
