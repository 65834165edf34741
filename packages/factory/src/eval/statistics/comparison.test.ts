import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import vectors from '../fixtures/statistics.json' with { type: 'json' };
import { mcnemar } from './mcnemar.ts';
import { benjaminiHochberg, holm } from './multiplicity.ts';
import { pairedBootstrap, signFlipTest } from './paired.ts';

const settings = { level: 0.95, resamples: 2000, seed: 5 };
const units = (n: number): number[][] => Array.from({ length: n }, (_, i) => [i]);

describe('mcnemar', () => {
  it('has the exact p of statsmodels', () => {
    for (const [b, c, p] of vectors.mcnemar) {
      expect(Math.abs(mcnemar(b, c).exactP / p - 1)).toBeLessThan(1e-10);
    }
  });

  it.each([
    [10, 2, 0.03857421875, 0.0224609375],
    [5, 5, 1, 1],
    [0, 6, 0.03125, 0.015625],
    [25, 10, 0.016673847800120715, 0.011330984183587134],
    [1, 7, 0.0703125, 0.0390625],
    [121, 59, 4.4344492637551645e-6, 3.2666467957745733e-6],
    [0, 0, 1, 1],
  ])('of %i and %i discordant rows', (b, c, exact, mid) => {
    const result = mcnemar(b, c);
    expect(Math.abs(result.exactP / exact - 1)).toBeLessThan(1e-12);
    // At 5 and 5 the mid-p is 2·P(X ≤ 5) − P(X = 5) = 1 by symmetry.
    expect(Math.abs(result.midP / mid - 1)).toBeLessThan(1e-12);
  });

  it('does not depend on which system is called A', () => {
    fc.assert(
      fc.property(fc.nat(60), fc.nat(60), (b, c) => {
        expect(mcnemar(b, c).midP).toBeCloseTo(mcnemar(c, b).midP, 14);
      }),
    );
  });
});

describe('adjusted p values', () => {
  it('equal those of statsmodels', () => {
    for (const [p, expectedHolm, expectedBh] of vectors.adjusted) {
      expect(holm(p)).toEqual(expectedHolm.map((value) => expect.closeTo(value, 12)));
      expect(benjaminiHochberg(p)).toEqual(expectedBh.map((value) => expect.closeTo(value, 12)));
    }
  });

  it('never fall below the raw ones', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 }), (p) => {
        const [strict, mild] = [holm(p), benjaminiHochberg(p)];
        p.forEach((raw, i) => {
          expect(mild[i]).toBeGreaterThanOrEqual(raw * (1 - 1e-15));
          expect(strict[i]).toBeGreaterThanOrEqual(mild[i] * (1 - 1e-15));
        });
      }),
    );
  });
});

describe('signFlipTest', () => {
  it('equals the exact permutation test of scipy', () => {
    for (const [differences, p] of vectors.signFlip as [number[], number][]) {
      const result = signFlipTest(differences, { flips: 10, seed: 1 });
      expect(result.exact).toBe(true);
      expect(result.p).toBeCloseTo(p, 12);
    }
    expect(signFlipTest([1, 1, 1, 0, -1, 1, 0, 1], { flips: 1, seed: 1 }).p).toBe(0.21875);
  });

  it('samples patterns of long lists, close to the exact p, and never says 0', () => {
    // 20 differences of 1, of which 5 are negative: exact p = P(|sum| ≥ 10) = 2·P(X ≤ 5), X ~ B(20, ½).
    const differences = Array.from({ length: 20 }, (_, i) => (i < 5 ? -1 : 1));
    const result = signFlipTest(differences, { flips: 20_000, seed: 2 });
    expect(result.exact).toBe(false);
    expect(Math.abs(result.p - 0.0413894653)).toBeLessThan(0.006);
    expect(signFlipTest(new Array(200).fill(1), { flips: 999, seed: 2 }).p).toBe(1 / 1000);
    expect(signFlipTest([0, 0, 0], { flips: 9, seed: 2 }).p).toBe(1);
  });
});

describe('pairedBootstrap', () => {
  const paired = (a: readonly number[], b: readonly number[]) => {
    const over = (data: readonly number[]) => (rows: ArrayLike<number>) =>
      Array.from(rows, (row) => data[row]).reduce((x, y) => x + y, 0) / rows.length;
    return pairedBootstrap(over(a), over(b), units(a.length), settings);
  };

  it('comes close to all 256 resamples of four differences: P(Δ ≤ 0) = 0.0625', () => {
    const result = paired([0, 0, 0, 0], [1, 0, 0, 1])!;
    expect(result.delta).toBe(0.5);
    expect(Math.abs(result.p - 0.125)).toBeLessThan(0.03);
    expect(result.interval).toMatchObject({ low: 0, high: 1, method: 'bootstrap-percentile' });
  });

  it('is narrower than two separate intervals when rows differ more than systems', () => {
    const a = Array.from({ length: 50 }, (_, i) => (i % 7) * 10);
    const b = a.map((x, i) => x + 1 + (i % 2) * 0.1);
    const { interval, p } = paired(a, b)!;
    expect(interval.high - interval.low).toBeLessThan(0.1);
    expect(p).toBeLessThan(0.002);
  });

  it('calls equal systems equal, and says nothing about one row', () => {
    expect(paired([1, 0, 1], [1, 0, 1])!).toMatchObject({ delta: 0, p: 1 });
    expect(paired([1], [0])).toBeNull();
  });
});
