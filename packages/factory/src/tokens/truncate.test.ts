import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { packRows } from './knapsack.ts';
import { fitTurns, inferSeqlen } from './truncate.ts';

// LLaMA-Factory's tests/data/processor/test_processor_utils.py.
describe('inferSeqlen', () => {
  test.each([
    [3000, 2000, 1000, 600, 400],
    [2000, 3000, 1000, 400, 600],
    [1000, 100, 1000, 900, 100],
    [100, 1000, 1000, 100, 900],
    [100, 500, 1000, 100, 500],
    [500, 100, 1000, 500, 100],
    [10, 10, 1000, 10, 10],
  ])('%d + %d within %d is %d + %d', (source, target, cutoff, wantSource, wantTarget) => {
    expect(inferSeqlen(source, target, cutoff)).toEqual([wantSource, wantTarget]);
  });
});

describe('fitTurns', () => {
  test('two turns, in order, reversed and with a reserved eos', () => {
    expect(
      fitTurns(
        [
          [600, 300],
          [200, 100],
        ],
        1000,
        0,
      ),
    ).toEqual([
      [600, 300],
      [67, 33],
    ]);
    expect(
      fitTurns(
        [
          [200, 100],
          [600, 300],
        ],
        1000,
        0,
      ),
    ).toEqual([
      [200, 100],
      [400, 300],
    ]);
    expect(
      fitTurns(
        [
          [600, 300],
          [200, 100],
        ],
        1000,
        1,
      ),
    ).toEqual([
      [600, 300],
      [66, 33],
    ]);
  });

  test('twenty turns of 70 within 512: seven whole, a piece, the rest gone', () => {
    const turns = Array.from({ length: 20 }, (): [number, number] => [50, 20]);
    expect(fitTurns(turns, 512, 0)).toEqual([...turns.slice(0, 7), [16, 6]]);
  });

  test('never exceeds the cutoff, never grows a part, keeps everything that fits', () => {
    const length = fc.integer({ min: 0, max: 400 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(length, length), { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 1, max: 600 }),
        fc.integer({ min: 0, max: 1 }),
        (turns, cutoff, reserved) => {
          const fitted = fitTurns(turns, cutoff, reserved);
          const sum = (list: [number, number][]) => list.reduce((total, [s, t]) => total + s + t, reserved);
          expect(sum(fitted)).toBeLessThanOrEqual(Math.max(cutoff, reserved));
          for (const [i, [s, t]] of fitted.entries()) {
            expect(s >= 0 && s <= turns[i]![0] && t >= 0 && t <= turns[i]![1]).toBe(true);
          }
          if (sum(turns) < cutoff) expect(fitted).toEqual(turns);
        },
      ),
    );
  });
});

describe('packRows', () => {
  const lengthsOf = (lengths: number[], capacity: number) =>
    packRows(lengths, capacity).map((pack) => pack.map((i) => lengths[i]));
  test.each([
    [[2, 3, 5, 7, 8], 10, [[8, 2], [7, 3], [5]]],
    [[6, 6, 6, 6], 10, [[6], [6], [6], [6]]],
    [
      [1, 2, 3, 4, 5, 6, 7, 8, 9],
      12,
      [
        [9, 3],
        [8, 4],
        [7, 5],
        [6, 2, 1],
      ],
    ],
    [[5, 5, 5, 3, 3, 2], 11, [[5, 5], [5, 3, 3], [2]]],
  ])('%j into %d', (lengths, capacity, expected) => {
    expect(lengthsOf(lengths, capacity)).toEqual(expected);
  });

  test('of equal lengths the last comes first', () => {
    expect(packRows([5, 5, 5], 10)).toEqual([[2, 1], [0]]);
  });

  test('every row that fits is in exactly one pack, and no pack is too full', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 50 })),
        fc.integer({ min: 1, max: 60 }),
        (lengths, capacity) => {
          const packs = packRows(lengths, capacity);
          const fits = lengths.map((_, i) => i).filter((i) => lengths[i]! <= capacity);
          expect(packs.flat().sort((a, b) => a - b)).toEqual(fits);
          for (const pack of packs) {
            expect(pack.length).toBeGreaterThan(0);
            expect(pack.reduce((sum, i) => sum + lengths[i]!, 0)).toBeLessThanOrEqual(capacity);
          }
        },
      ),
    );
  });
});
