import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { seededRandom } from './seeded-random.ts';

describe('seededRandom', () => {
  test('gives the same stream for the same seed and another for another', () => {
    const draw = (seed: number | string) => {
      const random = seededRandom(seed);
      return Array.from({ length: 8 }, () => random.next());
    };
    expect(draw(42)).toEqual(draw(42));
    expect(draw(42)).not.toEqual(draw(43));
    expect(draw(42)).not.toEqual(draw('42'));
  });

  test('keeps its stream across releases', () => {
    const random = seededRandom(42);
    expect([random.int(1000), random.int(1000), random.int(1000)]).toMatchInlineSnapshot(`
      [
        480,
        473,
        957,
      ]
    `);
  });

  test('stays in range and is close to uniform', () => {
    const random = seededRandom(7);
    const counts = new Array<number>(10).fill(0);
    let sum = 0;
    for (let i = 0; i < 100_000; i++) {
      const bucket = random.int(10);
      counts[bucket] = (counts[bucket] ?? 0) + 1;
      const value = random.next();
      if (value < 0 || value >= 1) throw new Error('out of range');
      sum += value;
    }
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThan(600);
    expect(sum / 100_000).toBeCloseTo(0.5, 2);
  });

  test('shuffles to a permutation and leaves its input alone', () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), fc.integer(), (xs, seed) => {
        const before = [...xs];
        const out = seededRandom(seed).shuffle(xs);
        expect(xs).toEqual(before);
        expect([...out].sort((a, b) => a - b)).toEqual([...xs].sort((a, b) => a - b));
      }),
    );
  });
});
