// How often a verdict is wrong, over 1,000 seeded pairs each: few rows, skewed business values, real losses.
import { expect, it } from 'vitest';
import { simulatedVerdicts } from './simulated-verdicts.ts';

const EQUAL = { base: 0.7, candidate: 0.7 };

it.each([
  [50, false],
  [1000, false],
  [60, true],
  [300, true],
])('ships at most 5 %% of %i rows that are no better (business metric: %s)', (rows, business) => {
  const shares = simulatedVerdicts(EQUAL, rows, business);
  expect(shares.ship).toBeLessThan(0.05);
  expect(shares.do_not_ship).toBeLessThan(0.05);
});

it('ships and stops what is plain', () => {
  expect(simulatedVerdicts({ base: 0.5, candidate: 0.7 }, 200, true).ship).toBeGreaterThan(0.9);
  expect(simulatedVerdicts({ base: 0.7, candidate: 0.5 }, 200).do_not_ship).toBeGreaterThan(0.95);
});
