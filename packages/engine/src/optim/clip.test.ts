import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { clipCoefficient, globalNorm } from './clip.ts';

interface Case {
  grads: number[][];
  max_norm: number;
  norm: number;
  clipped: number[][];
}
const fixture = new URL('../../../../test/parity/optim/optim.json', import.meta.url);
const { clip: cases } = JSON.parse(readFileSync(fixture, 'utf8')) as { clip: Case[] };

describe('against torch.nn.utils.clip_grad_norm_', () => {
  test.each(cases)('norm $norm to $max_norm', ({ grads, max_norm, norm, clipped }) => {
    const found = globalNorm(grads.map((g) => Float32Array.from(g)));
    expect(Math.abs(found - norm)).toBeLessThan(1e-6 * norm);
    // With the norm that torch found, the coefficient has the same bits.
    const coefficient = clipCoefficient(norm, max_norm);
    const rounded = clipped.map((g) => Float32Array.from(g));
    expect(grads.map((g) => Float32Array.from(g, (x) => Math.fround(x) * coefficient))).toEqual(rounded);
    expect(clipCoefficient(found, max_norm)).toBeCloseTo(coefficient, 6);
  });
});

test('the norm is that of all arrays joined, whatever their lengths', () => {
  const floats = fc.float32Array({ noNaN: true, noDefaultInfinity: true, maxLength: 23 });
  fc.assert(
    fc.property(fc.array(floats, { maxLength: 6 }), (grads) => {
      const all = grads.flatMap((g) => [...g]);
      const expected = Math.sqrt(all.reduce((sum, x) => sum + x * x, 0));
      expect(Math.abs(globalNorm(grads) - expected)).toBeLessThanOrEqual(1e-12 * expected);
    }),
  );
});

test('a bound that is not passed leaves gradients alone, and one broken element shows', () => {
  expect(clipCoefficient(0, 1)).toBe(1);
  expect(clipCoefficient(0.5, 1)).toBe(1);
  expect(globalNorm([])).toBe(0);
  const broken = [Float32Array.of(1, 2, 3, 4, 5), Float32Array.of(Number.NaN)];
  expect(globalNorm(broken)).toBeNaN();
  expect(clipCoefficient(globalNorm(broken), 1)).toBeNaN();
  expect(globalNorm([Float32Array.of(Number.POSITIVE_INFINITY)])).toBe(Number.POSITIVE_INFINITY);
  expect(clipCoefficient(Number.POSITIVE_INFINITY, 1)).toBe(0);
});
