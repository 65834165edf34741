// In: hits among trials. Out: Wilson's score interval for the share; E. B. Wilson, JASA 22 (1927).
// It stays inside 0 to 1 and has width even at 0 of n, where the normal interval has none. Without continuity correction.
import { invariant } from '#factory/errors.ts';
import type { Interval } from '#factory/records/scorecard.ts';
import { normalQuantile } from './normal.ts';

export function wilsonInterval(hits: number, trials: number, level: number): Interval {
  invariant(hits >= 0 && hits <= trials && trials > 0, `wilsonInterval: ${hits} of ${trials}`);
  const z = normalQuantile((1 + level) / 2);
  const p = hits / trials;
  const zz = (z * z) / trials;
  const center = (p + zz / 2) / (1 + zz);
  const half = (z * Math.sqrt((p * (1 - p)) / trials + zz / (4 * trials))) / (1 + zz);
  return {
    low: hits === 0 ? 0 : Math.max(0, center - half),
    high: hits === trials ? 1 : Math.min(1, center + half),
    level,
    method: 'wilson',
  };
}
