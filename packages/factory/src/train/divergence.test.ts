// The guard stops what cannot come back, and nothing else.
import { describe, expect, test } from 'vitest';
import { DivergenceGuard } from './divergence.ts';

/** The step (from 1) of the first complaint, or null. */
function firstComplaint(losses: number[], recent: number[] = [], vocab = 1000): number | null {
  const guard = new DivergenceGuard(vocab, recent);
  const at = losses.findIndex((loss) => guard.check(loss, 1) !== null);
  return at < 0 ? null : at + 1;
}
const calm = (n: number) => new Array<number>(n).fill(2);

describe('DivergenceGuard', () => {
  test.each([
    [Number.NaN, 1, 'the loss is NaN'],
    [Number.POSITIVE_INFINITY, 1, 'the loss is Infinity'],
    [2, Number.NaN, 'the gradient norm is NaN'],
    [2, Number.POSITIVE_INFINITY, 'the gradient norm is Infinity'],
  ])('a loss of %d with a norm of %d is the end at once', (loss, norm, reason) => {
    expect(new DivergenceGuard(1000, []).check(loss, norm)).toBe(reason);
  });

  test('three losses far above the recent ones are the end', () => {
    expect(firstComplaint([...calm(30), 20, 21, 22, 23])).toBe(33);
  });

  test('one or two of them are not, nor three with a pause', () => {
    expect(firstComplaint([...calm(30), 20, 20, ...calm(10), 20, 2, 20, 20, 2])).toBeNull();
  });

  test('what guessing may cost is not far, however low the loss was', () => {
    // 2 ln 1000 is 13.8.
    const low = new Array<number>(30).fill(0.01);
    expect(firstComplaint([...low, ...new Array<number>(10).fill(13.7)])).toBeNull();
    expect(firstComplaint([...low, 14, 14, 14])).toBe(33);
  });

  test('a start is too short to judge', () => {
    expect(firstComplaint([...calm(5), 50, 60, 70, 80])).toBeNull();
  });

  test('three steps without any gradient are the end, unless all is learned', () => {
    const reasons = (losses: number[], norms: number[]) => {
      const guard = new DivergenceGuard(1000, []);
      return losses.map((loss, i) => guard.check(loss, norms[i]));
    };
    expect(reasons([5, 5, 5], [0, 0, 0])[2]).toMatch(/every gradient is zero, for 3 steps/);
    expect(reasons([5, 5, 5, 5], [0, 0, 1, 0])).toEqual([null, null, null, null]);
    expect(reasons([0, 0, 0, 0], [0, 0, 0, 0])).toEqual([null, null, null, null]);
  });

  test('says how far it is', () => {
    const guard = new DivergenceGuard(1000, calm(30));
    expect([20, 20, 20].map((loss) => guard.check(loss, 1))[2]).toBe(
      'the loss is 20.00, 10.0 times the median of the last 32 steps, for 3 steps',
    );
  });

  test('keeps the last 50 losses in the given list', () => {
    const recent: number[] = [];
    const losses = Array.from({ length: 120 }, (_, i) => 3 - i / 100);
    expect(firstComplaint(losses, recent)).toBeNull();
    expect(recent).toEqual(losses.slice(-50));
  });
});
