// In: two systems' values on the same rows. Out: the difference B − A with its interval and p value.
// Paired bootstrap for any statistic, sign-flip permutation for means of per-row values. It corrects for no multiplicity.
import { invariant } from '#factory/errors.ts';
import type { Interval } from '#factory/records/scorecard.ts';
import { seededRandom } from '#factory/records/seeded-random.ts';
import {
  type BootstrapSettings,
  type JointStatistic,
  jointReplicates,
  percentileInterval,
  type Statistic,
} from './bootstrap.ts';

export interface PairedBootstrapResult {
  delta: number;
  interval: Interval;
  /** Two-sided, from the share of resamples on the other side of 0; never 0 (Davison and Hinkley 1997, 4.2). */
  p: number;
}

/** The same rows are drawn for both, so what makes a row hard cancels. Null where most resamples have no value. */
export function pairedBootstrap(
  statisticA: Statistic,
  statisticB: Statistic,
  units: readonly (readonly number[])[],
  settings: Pick<BootstrapSettings, 'level' | 'resamples' | 'seed'>,
): PairedBootstrapResult | null {
  return pairedBootstraps((rows) => [statisticB(rows) - statisticA(rows)], 1, units, settings)[0];
}

/** Of `count` differences, all over the same resamples. */
export function pairedBootstraps(
  differences: JointStatistic,
  count: number,
  units: readonly (readonly number[])[],
  settings: Pick<BootstrapSettings, 'level' | 'resamples' | 'seed'>,
): (PairedBootstrapResult | null)[] {
  if (units.length < 2 || count === 0) return new Array<null>(count).fill(null);
  const deltas = differences(units.flat());
  return jointReplicates(differences, count, units, settings).map((replicates, i) => {
    const delta = deltas[i];
    if (Number.isNaN(delta) || replicates.length * 2 < settings.resamples) return null;
    const atMost = replicates.filter((value) => value <= 0).length;
    const atLeast = replicates.filter((value) => value >= 0).length;
    const p = Math.min(1, (2 * (Math.min(atMost, atLeast) + 1)) / (replicates.length + 1));
    return { delta, interval: percentileInterval(replicates, settings.level), p };
  });
}

export interface SignFlipResult {
  p: number;
  /** All sign patterns, or a seeded sample of them. */
  exact: boolean;
  flips: number;
}

/** 2^16 patterns take a few milliseconds. */
const EXACT_UP_TO = 16;

/**
 * Two-sided p of "the mean difference is 0": the share of sign patterns whose |sum| is at least the observed one.
 * Give one difference per row, or one sum per cluster. Sampled patterns give (c + 1) / (N + 1).
 */
export function signFlipTest(
  differences: readonly number[],
  { flips, seed }: { flips: number; seed: number | string },
): SignFlipResult {
  invariant(differences.length > 0, 'signFlipTest needs differences');
  const moved = differences.filter((difference) => difference !== 0);
  const observed = Math.abs(sum(moved));
  // Sums of the same numbers in another order differ in their last bits.
  const bar = observed - 1e-9 * Math.max(1, sum(moved.map(Math.abs)));
  if (moved.length <= EXACT_UP_TO) {
    const patterns = 2 ** moved.length;
    let reached = 0;
    for (let pattern = 0; pattern < patterns; pattern++) {
      let total = 0;
      for (let i = 0; i < moved.length; i++) total += pattern & (1 << i) ? -moved[i] : moved[i];
      if (Math.abs(total) >= bar) reached++;
    }
    return { p: reached / patterns, exact: true, flips: patterns };
  }
  const random = seededRandom(`sign-flip/${seed}`);
  let reached = 0;
  for (let flip = 0; flip < flips; flip++) {
    let total = 0;
    for (const difference of moved) total += random.int(2) === 0 ? difference : -difference;
    if (Math.abs(total) >= bar) reached++;
  }
  return { p: (reached + 1) / (flips + 1), exact: false, flips };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
