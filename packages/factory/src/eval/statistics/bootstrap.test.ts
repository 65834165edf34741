import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '#factory/records/seeded-random.ts';
import vectors from '../fixtures/statistics.json' with { type: 'json' };
import {
  bcaInterval,
  bootstrapInterval,
  bootstrapReplicates,
  percentileInterval,
  resamplingUnits,
  type Statistic,
  withoutVariation,
} from './bootstrap.ts';

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
const meanOf =
  (data: readonly number[]): Statistic =>
  (rows) =>
    mean(Array.from(rows, (row) => data[row]));
const rowsOf = (data: readonly unknown[]): number[][] => data.map((_, i) => [i]);
const settings = { level: 0.95, resamples: 500, seed: 1, method: 'percentile' } as const;

/** The mean over each of the n^n resamples. */
function allReplicates(data: readonly number[]): Float64Array {
  const n = data.length;
  return Float64Array.from({ length: n ** n }, (_, code) => {
    let rest = code;
    return mean(
      data.map(() => {
        const index = rest % n;
        rest = Math.floor(rest / n);
        return data[index];
      }),
    );
  }).sort();
}

describe('intervals from all resamples', () => {
  it.each(vectors.bootstrap)('equal scipy: $data', (expected) => {
    const { data } = expected;
    const replicates = allReplicates(data);
    const sd = Math.sqrt(mean([...replicates].map((x) => (x - expected.mean) ** 2)));
    expect(mean([...replicates])).toBeCloseTo(expected.mean, 12);
    expect(sd).toBeCloseTo(expected.sd, 12);
    const leftOut = Float64Array.from(data, (_, out) => mean(data.filter((_, i) => i !== out)));
    for (const level of [0.8, 0.95] as const) {
      const percentile = percentileInterval(replicates, level);
      expect([percentile.low, percentile.high]).toEqual(closeTo(expected[`percentile-${level}`]));
      const bca = bcaInterval(replicates, mean(data), leftOut, level);
      expect([bca.low, bca.high]).toEqual(closeTo(expected[`bca-${level}`]));
    }
  });

  it('have the published moments of [0,1,1]', () => {
    const replicates = allReplicates([0, 1, 1]);
    const share = (value: number) => [...replicates].filter((x) => Math.abs(x - value) < 1e-12).length;
    expect([0, 1 / 3, 2 / 3, 1].map(share)).toEqual([1, 6, 12, 8]);
  });
});

function closeTo(values: readonly number[]): unknown[] {
  return values.map((value) => expect.closeTo(value, 9));
}

describe('bootstrapReplicates', () => {
  it('draws every resample about as often as it should', () => {
    const replicates = bootstrapReplicates(meanOf([0, 1, 1]), rowsOf([0, 1, 1]), {
      resamples: 27_000,
      seed: 3,
    });
    const counts = [0, 1 / 3, 2 / 3, 1].map(
      (v) => [...replicates].filter((x) => Math.abs(x - v) < 1e-9).length,
    );
    [1000, 6000, 12000, 8000].forEach((expected, i) => {
      expect(Math.abs(counts[i] - expected)).toBeLessThan(5 * Math.sqrt(expected));
    });
  });

  it('gives the same numbers for the same seed, and leaves out resamples without a value', () => {
    const data = [1, 5, 2, 8];
    const draw = (seed: number) => bootstrapReplicates(meanOf(data), rowsOf(data), { resamples: 50, seed });
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
    const partial: Statistic = (rows) => (Array.from(rows).includes(0) ? Number.NaN : 1);
    const kept = bootstrapReplicates(partial, rowsOf(data), { resamples: 400, seed: 1 });
    // (3/4)^4 of the resamples miss row 0.
    expect(kept.length).toBeGreaterThan(90);
    expect(kept.length).toBeLessThan(165);
  });
});

describe('bootstrapInterval', () => {
  it('has no interval for one unit, nor for a statistic that is mostly undefined', () => {
    expect(bootstrapInterval(() => 1, [[0, 1, 2]], settings)).toBeNull();
    expect(bootstrapInterval(() => Number.NaN, rowsOf([1, 2]), settings)).toBeNull();
  });

  it('holds the truth at about its level', () => {
    // 300 samples of 40 from a uniform distribution with mean 0.5.
    const wide = { ...settings, level: 0.9, resamples: 300 };
    let held = 0;
    for (let sample = 0; sample < 300; sample++) {
      const random = seededRandom(`population/${sample}`);
      const draws = Array.from({ length: 40 }, () => random.next());
      const { low, high } = bootstrapInterval(meanOf(draws), rowsOf(draws), { ...wide, seed: sample })!;
      if (low <= 0.5 && 0.5 <= high) held++;
    }
    expect(held / 300).toBeGreaterThan(0.84);
    expect(held / 300).toBeLessThan(0.95);
  });

  it('is wider over clusters of equal rows than over rows', () => {
    const data = Array.from({ length: 60 }, (_, i) => Math.floor(i / 6) % 2);
    const rows = data.map((_, i) => ({ cluster: `c${Math.floor(i / 6)}` }));
    const width = (units: number[][]) => {
      const { low, high } = bootstrapInterval(meanOf(data), units, settings)!;
      return high - low;
    };
    expect(width(resamplingUnits(rows))).toBeGreaterThan(1.8 * width(rowsOf(data)));
  });

  it('stays inside the values and is ordered, for both methods', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: 2, maxLength: 20 }),
        fc.constantFrom('percentile' as const, 'bca' as const),
        (data, method) => {
          const interval = bootstrapInterval(meanOf(data), rowsOf(data), {
            ...settings,
            resamples: 60,
            method,
          })!;
          expect(interval.low).toBeLessThanOrEqual(interval.high);
          expect(interval.low).toBeGreaterThanOrEqual(Math.min(...data) - 1e-12);
          expect(interval.high).toBeLessThanOrEqual(Math.max(...data) + 1e-12);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('resamplingUnits', () => {
  it('puts every row into one unit', () => {
    const rows = [{ cluster: 'a' }, {}, { cluster: 'b' }, { cluster: 'a' }, {}];
    expect(resamplingUnits(rows)).toEqual([[0, 3], [1], [2], [4]]);
  });
});

describe('withoutVariation', () => {
  it('leaves room for rows that were not seen', () => {
    expect(withoutVariation(1, 0.2, [0, 1], 0.95)).toEqual({
      low: 0.8,
      high: 1,
      level: 0.95,
      method: 'no-variation',
    });
    expect(withoutVariation(3, 0.5, [1, Number.POSITIVE_INFINITY], 0.95)).toMatchObject({ low: 2, high: 3 });
  });
});
