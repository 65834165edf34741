// In: how many of n common rows only one of two systems gets right. Out: the interval of the difference of their shares.
// Bonett and Price, J. Educ. Behav. Stat. 37 (2012): a Wald interval with one row added to either kind of discordance, so
// that it has width where no row differs, which a resample cannot see. Rows must be independent.
import { invariant } from '#factory/errors.ts';
import type { Interval } from '#factory/records/scorecard.ts';
import { normalQuantile } from './normal.ts';

/** Of B − A. The interval always holds the observed difference or lies around one pulled slightly towards 0. */
export function pairedShareInterval(onlyA: number, onlyB: number, rows: number, level: number): Interval {
  invariant(onlyA >= 0 && onlyB >= 0 && onlyA + onlyB <= rows, `${onlyA} and ${onlyB} of ${rows} rows`);
  const [a, b] = [(onlyA + 1) / (rows + 2), (onlyB + 1) / (rows + 2)];
  const half = normalQuantile((1 + level) / 2) * Math.sqrt((a + b - (b - a) ** 2) / (rows + 2));
  return {
    low: Math.max(-1, b - a - half),
    high: Math.min(1, b - a + half),
    level,
    method: 'bonett-price',
  };
}
