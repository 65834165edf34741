import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FactoryError } from '#factory/errors.ts';
import { loraScale, mergeIntoWeights } from './merge.ts';

const float = fc.float({ min: -2, max: 2, noNaN: true });

/** y = M x for M [rows, columns] */
function apply(m: Float32Array, x: Float32Array, rows: number): number[] {
  const columns = x.length;
  return Array.from({ length: rows }, (_, i) => x.reduce((sum, v, j) => sum + m[i * columns + j] * v, 0));
}

describe('merging', () => {
  it('brings the rows of a DoRA weight to their magnitudes, in the direction of the plain merge', () =>
    fc.assert(
      fc.property(fc.infiniteStream(fc.float({ min: 0.25, max: 2, noNaN: true })), (values) => {
        const take = (count: number) =>
          Float32Array.from({ length: count }, () => values.next().value as number);
        const pair = { inFeatures: 3, outFeatures: 4, rank: 2, a: take(6), b: take(8) };
        const [weight, magnitude] = [take(12), take(4)];
        const plain = mergeIntoWeights('w', weight, pair, 0.5);
        const merged = mergeIntoWeights('w', weight, { ...pair, magnitude }, 0.5);
        for (let row = 0; row < 4; row++) {
          const [own, other] = [merged, plain].map((m) => [...m.subarray(3 * row, 3 * row + 3)]);
          expect(Math.hypot(...own)).toBeCloseTo(magnitude[row], 5);
          const scale = magnitude[row] / Math.hypot(...other);
          own.forEach((v, i) => {
            expect(v).toBeCloseTo(other[i] * scale, 5);
          });
        }
      }),
    ));

  it('merged(x) = base(x) + scale · B(A(x)), and the base stays as it was', () =>
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 4 }),
        float,
        fc.infiniteStream(float),
        (inFeatures, outFeatures, rank, scale, values) => {
          const take = (count: number) =>
            Float32Array.from({ length: count }, () => values.next().value as number);
          const weight = take(inFeatures * outFeatures);
          const before = weight.slice();
          const pair = {
            inFeatures,
            outFeatures,
            rank,
            a: take(rank * inFeatures),
            b: take(outFeatures * rank),
          };
          const x = take(inFeatures);
          const merged = mergeIntoWeights('w', weight, pair, scale);
          const low = Float32Array.from(apply(pair.a, x, rank));
          const expected = apply(weight, x, outFeatures).map(
            (v, i) => v + scale * apply(pair.b, low, outFeatures)[i],
          );
          const errors = apply(merged, x, outFeatures).map((v, i) => Math.abs(v - expected[i]));
          expect(Math.max(...errors)).toBeLessThan(1e-3);
          expect(weight).toEqual(before);
        },
      ),
    ));

  it('B = 0 changes no bit; scale follows alpha, rank and rslora', () => {
    const weight = Float32Array.of(0.1, -0, 3e-30, 7);
    const pair = { inFeatures: 2, outFeatures: 2, rank: 1, a: Float32Array.of(1, 2), b: new Float32Array(2) };
    expect(mergeIntoWeights('w', weight, pair, 2)[0]).toBe(weight[0]);
    expect(mergeIntoWeights('w', weight, pair, 2)).toEqual(Float32Array.of(0.1, 0, 3e-30, 7));
    expect(loraScale({ alpha: 32, useRslora: false }, { rank: 16 })).toBe(2);
    expect(loraScale({ alpha: 32, useRslora: true }, { rank: 16 })).toBe(8);
  });

  it('refuses sizes that do not fit', () => {
    const pair = { inFeatures: 3, outFeatures: 2, rank: 1, a: new Float32Array(3), b: new Float32Array(2) };
    expect(() => mergeIntoWeights('model.x.weight', new Float32Array(5), pair, 1)).toThrow(FactoryError);
    expect(() => mergeIntoWeights('model.x.weight', new Float32Array(5), pair, 1)).toThrow(
      /model\.x\.weight: expected 2 × 3/,
    );
  });
});
