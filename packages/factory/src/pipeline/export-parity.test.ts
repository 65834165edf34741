// How two models are compared, by hand.
import { expect, test } from 'vitest';
import { parityOf } from './export-parity.ts';

const rows = [Int32Array.of(2, 0, 1)];
const logits = Float32Array.of(0, 0, 0, 1, 3, 2);

test('equal answers', () => {
  expect(parityOf({ rows, logits }, logits, 3)).toEqual({
    positions: 2,
    topTokenAgreement: 1,
    meanKl: 0,
    largestLogprobDifference: 0,
    perplexityRatio: 1,
  });
});

test('a shift of all logits of a token is no difference of answers, a change of one is', () => {
  const shifted = parityOf({ rows, logits }, Float32Array.of(5, 5, 5, 1, 3, 2), 3);
  expect(shifted).toMatchObject({ topTokenAgreement: 1 });
  expect(shifted.largestLogprobDifference).toBeCloseTo(0, 6);
  expect(shifted.meanKl).toBeCloseTo(0, 12);
  // At the first token uniform becomes (1/2, 1/4, 1/4): KL = ln 3 averaged with the new logs.
  const other = parityOf({ rows, logits }, Float32Array.of(Math.log(2), 0, 0, 4, 3, 2), 3);
  const first = (Math.log(2 / 3) + 2 * Math.log(4 / 3)) / 3;
  const p = [1, 3, 2].map((x) => Math.exp(x) / (Math.E + Math.E ** 3 + Math.E ** 2));
  const q = [4, 3, 2].map((x) => Math.exp(x) / (Math.E ** 4 + Math.E ** 3 + Math.E ** 2));
  const second = p.reduce((n, v, i) => n + v * Math.log(v / q[i]), 0);
  expect(other.meanKl).toBeCloseTo((first + second) / 2, 6);
  expect(other.topTokenAgreement).toBe(0.5);
  // The right tokens are 0 and 1.
  expect(other.perplexityRatio).toBeCloseTo(Math.sqrt((1 / 3 / 0.5) * (p[1] / q[1])), 6);
});
