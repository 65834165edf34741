// What is due after which step.
import { expect, test } from 'vitest';
import { type Interval, isDue, isEpochEnd } from './intervals.ts';

const position = { stepsPerEpoch: 4, totalSteps: 10 };
const dueAt = (interval: Interval) =>
  Array.from({ length: 10 }, (_, i) => i + 1).filter((step) => isDue(interval, step, position));

test('steps are due at multiples', () => {
  expect(dueAt({ every: 'steps', steps: 3 })).toEqual([3, 6, 9]);
  expect(dueAt({ every: 'steps', steps: 11 })).toEqual([]);
});

test('an epoch ends at its last step, and at the end of a run that stops within one', () => {
  expect(dueAt({ every: 'epoch' })).toEqual([4, 8, 10]);
  expect(isEpochEnd(0, position)).toBe(false);
});

test('never is never', () => {
  expect(dueAt({ every: 'never' })).toEqual([]);
});
