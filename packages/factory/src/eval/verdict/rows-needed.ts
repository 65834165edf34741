// In: an estimate with its interval and the bound that it should be told from. Out: rows that would probably do it.
// The spread of one row's value follows from the width of the interval, which shrinks with the root of the rows.
import type { Interval } from '#factory/records/scorecard.ts';
import { normalQuantile } from '../statistics/normal.ts';
import { rowsForPairedMeans } from '../statistics/power.ts';

const POWER = 0.8;
/** Beyond this many times the rows that there are, the estimate is too near to the bound for more rows to be advice. */
const REASONABLE = 100;

/** Rows in all, not on top; null where no reasonable number would do, or the interval has no width. */
export function rowsToSettle(value: number, interval: Interval, bound: number, rows: number): number | null {
  const z = normalQuantile((1 + interval.level) / 2);
  const deviation = ((interval.high - interval.low) / (2 * z)) * Math.sqrt(rows);
  const distance = Math.abs(value - bound);
  if (!(distance > 0) || !(deviation > 0) || !Number.isFinite(deviation)) return null;
  const needed = rowsForPairedMeans(distance, deviation, { alpha: 1 - interval.level, power: POWER });
  // The interval reaches over the bound now, so at least one more row is needed whatever the approximation says.
  return needed <= rows * REASONABLE ? Math.max(needed, rows + 1) : null;
}
