import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FactoryError } from '#factory/errors.ts';
import { splitValidation } from './split-validation.ts';

const rows = (n: number) => Array.from({ length: n }, (_, i) => i);

test('a share is rounded up, a count is taken as it is', () => {
  const sizes = (n: number, valSize: number) => splitValidation(rows(n), valSize, 1).validation.length;
  expect(sizes(30, 0.1)).toBe(3);
  expect(sizes(31, 0.1)).toBe(4);
  expect(sizes(999, 0.001)).toBe(1);
  expect(sizes(30, 7)).toBe(7);
  expect(sizes(30, 1)).toBe(1);
});

test('both parts together are the rows, shuffled by the seed', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 200 }),
      fc.double({ min: 0.01, max: 0.5, noNaN: true }),
      fc.nat(),
      (n, share, seed) => {
        fc.pre(Math.ceil(n * share) < n);
        const { train, validation } = splitValidation(rows(n), share, seed);
        expect([...train, ...validation].sort((a, b) => a - b)).toEqual(rows(n));
        expect(splitValidation(rows(n), share, seed)).toEqual({ train, validation });
      },
    ),
  );
  expect(splitValidation(rows(100), 10, 1).validation).not.toEqual(
    splitValidation(rows(100), 10, 2).validation,
  );
});

test('a size that leaves nothing to train on is refused', () => {
  for (const valSize of [30, 31, 1e300, 0, -1, Number.NaN, Number.POSITIVE_INFINITY, 0.99]) {
    expect(() => splitValidation(rows(30), valSize, 1)).toThrow(FactoryError);
  }
});
