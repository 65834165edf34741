import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FactoryError } from '#factory/errors.ts';
import { checkProbs, mixDatasets } from './mix-datasets.ts';

/** Sets of the given lengths, numbered through. */
function sets(...lengths: number[]): number[][] {
  let next = 0;
  return lengths.map((n) => Array.from({ length: n }, () => next++));
}
const mix = (
  lengths: number[],
  strategy: Parameters<typeof mixDatasets>[1]['strategy'],
  probs: number[] | null = null,
  seed = 1,
) => mixDatasets(sets(...lengths), { strategy, probs, seed });
function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof FactoryError) return error.code;
    throw error;
  }
  return 'none';
}

describe('without probabilities: the orders that the datasets library documents for lengths 3, 4, 5', () => {
  test('concat', () => expect(mix([2, 1], 'concat')).toEqual([0, 1, 2]));
  test('under', () => expect(mix([3, 4, 5], 'interleave_under')).toEqual([0, 3, 7, 1, 4, 8, 2, 5, 9]));
  test('over', () =>
    expect(mix([3, 4, 5], 'interleave_over')).toEqual([0, 3, 7, 1, 4, 8, 2, 5, 9, 0, 6, 10, 1, 3, 11]));
  test('once', () =>
    expect(mix([3, 4, 5], 'interleave_once')).toEqual([0, 3, 7, 1, 4, 8, 2, 5, 9, 6, 10, 11]));
  test('one set is left alone', () => expect(mix([3], 'interleave_over')).toEqual([0, 1, 2]));
});

describe('with probabilities', () => {
  const lengths = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 2, maxLength: 4 });
  const weights = lengths.chain((ns) =>
    fc.tuple(
      fc.constant(ns),
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: ns.length, maxLength: ns.length }),
      fc.nat(),
    ),
  );
  const shares = (ws: number[]) => ws.map((w) => w / ws.reduce((a, b) => a + b, 0));
  /** How many rows of each set occur, in order of the sets. */
  const counts = (ns: number[], mixed: number[]) => {
    let start = 0;
    return ns.map((n) => {
      start += n;
      return mixed.filter((x) => x >= start - n && x < start).length;
    });
  };

  test('exhaustion rules hold for any lengths, shares and seed', () => {
    fc.assert(
      fc.property(weights, ([ns, ws, seed]) => {
        const total = ns.reduce((a, b) => a + b, 0);
        const under = counts(ns, mix(ns, 'interleave_under', shares(ws), seed));
        expect(under.filter((count, i) => count === ns[i])).toHaveLength(1);
        expect(under.every((count, i) => count <= ns[i]!)).toBe(true);
        const over = counts(ns, mix(ns, 'interleave_over', shares(ws), seed));
        expect(over.every((count, i) => count >= ns[i]!)).toBe(true);
        expect(over.some((count, i) => count === ns[i])).toBe(true);
        const once = mix(ns, 'interleave_once', shares(ws), seed);
        expect(once).toHaveLength(total);
        expect(new Set(once).size).toBe(total);
      }),
      { numRuns: 200 },
    );
  });

  test('shares come out, rows of one set keep their order, the seed decides', () => {
    const mixed = mix([50_000, 50_000], 'interleave_under', [0.8, 0.2]);
    const [a] = counts([50_000, 50_000], mixed) as [number];
    expect(a / mixed.length).toBeCloseTo(0.8, 2);
    const first = mixed.filter((x) => x < 50_000);
    expect(first).toEqual(first.toSorted((x, y) => x - y));
    expect(mix([9, 9], 'interleave_over', [0.5, 0.5], 3)).toEqual(
      mix([9, 9], 'interleave_over', [0.5, 0.5], 3),
    );
    expect(mix([9, 9], 'interleave_over', [0.5, 0.5], 3)).not.toEqual(
      mix([9, 9], 'interleave_over', [0.5, 0.5], 4),
    );
  });

  test('shares that could never end are refused, not tried', () => {
    expect(codeOf(() => mix([3, 3], 'interleave_over', [1, 0]))).toBe('ARGS_BAD_VALUE');
    expect(codeOf(() => mix([3, 3], 'interleave_once', [1, 0]))).toBe('ARGS_BAD_VALUE');
    expect(codeOf(() => mix([3, 3], 'interleave_over', [1 - 1e-9, 1e-9]))).toBe('ARGS_BAD_VALUE');
    expect(mix([3, 3], 'interleave_under', [1, 0])).toEqual([0, 1, 2]);
  });
});

test('interleave_probs must fit the data sets and the strategy', () => {
  expect(codeOf(() => checkProbs(null, 'concat', 2))).toBe('none');
  expect(codeOf(() => checkProbs([0.5, 0.5], 'interleave_under', 2))).toBe('none');
  expect(codeOf(() => checkProbs([0.5, 0.5], 'concat', 2))).toBe('ARGS_CONFLICT');
  for (const probs of [[1], [0.5, 0.6], [1.5, -0.5], [Number.NaN, 1], []]) {
    expect(codeOf(() => checkProbs(probs, 'interleave_over', 2))).toBe('ARGS_BAD_VALUE');
  }
});
