// In: a statistic over row numbers, the units that are drawn together, and a seed. Out: its bootstrap interval.
// Percentile (Efron 1979) or BCa (Efron 1987, as scipy computes it). Units are rows, or clusters of rows that depend on
// each other. It knows no metric; where a resample has no value (NaN) it is left out.
import { invariant } from '#factory/errors.ts';
import type { Interval } from '#factory/records/scorecard.ts';
import { seededRandom } from '#factory/records/seeded-random.ts';
import { normalCdf, normalQuantile } from './normal.ts';
import { quantile } from './quantile.ts';

/** The statistic over these rows, a row as often as it is drawn; NaN where it is not defined. */
export type Statistic = (rows: ArrayLike<number>) => number;

/** Several statistics of the same rows. */
export type JointStatistic = (rows: ArrayLike<number>) => ArrayLike<number>;

export interface BootstrapSettings {
  level: number;
  resamples: number;
  seed: number | string;
  method: 'percentile' | 'bca';
}

/** Groups rows by cluster; a row without a cluster is a unit of its own. */
export function resamplingUnits(rows: readonly { cluster?: string }[]): number[][] {
  const units: number[][] = [];
  const byCluster = new Map<string, number[]>();
  rows.forEach((row, index) => {
    const known = row.cluster === undefined ? undefined : byCluster.get(row.cluster);
    if (known) known.push(index);
    else {
      const unit = [index];
      units.push(unit);
      if (row.cluster !== undefined) byCluster.set(row.cluster, unit);
    }
  });
  return units;
}

/** Null when there are fewer than two units, or when most resamples have no value. */
export function bootstrapInterval(
  statistic: Statistic,
  units: readonly (readonly number[])[],
  settings: BootstrapSettings,
): Interval | null {
  return bootstrapIntervals((rows) => [statistic(rows)], 1, units, settings)[0];
}

/** Of `count` statistics, all over the same resamples. */
export function bootstrapIntervals(
  joint: JointStatistic,
  count: number,
  units: readonly (readonly number[])[],
  settings: BootstrapSettings,
): (Interval | null)[] {
  if (units.length < 2 || count === 0) return new Array<null>(count).fill(null);
  const replicates = jointReplicates(joint, count, units, settings);
  const isBca = settings.method === 'bca';
  const observed = isBca ? joint(units.flat()) : [];
  const leftOut = isBca ? units.map((_, out) => joint(units.filter((_, i) => i !== out).flat())) : [];
  return replicates.map((values, s) => {
    if (values.length * 2 < settings.resamples) return null;
    if (!isBca) return percentileInterval(values, settings.level);
    const jackknife = Float64Array.from(leftOut, (without) => without[s]);
    return bcaInterval(values, observed[s], jackknife, settings.level);
  });
}

/** The statistic's values over resamples, sorted, without those that are not defined. */
export function bootstrapReplicates(
  statistic: Statistic,
  units: readonly (readonly number[])[],
  settings: Pick<BootstrapSettings, 'resamples' | 'seed'>,
): Float64Array {
  return jointReplicates((rows) => [statistic(rows)], 1, units, settings)[0];
}

/** Of `count` statistics, all over the same resamples. */
export function jointReplicates(
  joint: JointStatistic,
  count: number,
  units: readonly (readonly number[])[],
  { resamples, seed }: Pick<BootstrapSettings, 'resamples' | 'seed'>,
): Float64Array[] {
  const random = seededRandom(`bootstrap/${seed}`);
  const values = Array.from({ length: count }, () => new Float64Array(resamples));
  const single = units.every((unit) => unit.length === 1);
  const drawn = new Uint32Array(units.length);
  for (let i = 0; i < resamples; i++) {
    let rows: ArrayLike<number> = drawn;
    if (single) for (let j = 0; j < drawn.length; j++) drawn[j] = units[random.int(units.length)][0];
    else rows = Array.from(units, () => units[random.int(units.length)]).flat();
    const found = joint(rows);
    for (let s = 0; s < count; s++) values[s][i] = found[s];
  }
  return values.map((all) => all.filter((value) => !Number.isNaN(value)).sort());
}

export function percentileInterval(sorted: Float64Array, level: number): Interval {
  invariant(sorted.length > 0, 'percentileInterval needs replicates');
  const tail = (1 - level) / 2;
  return {
    low: quantile(sorted, tail),
    high: quantile(sorted, 1 - tail),
    level,
    method: 'bootstrap-percentile',
  };
}

/** `leftOut[i]` is the statistic without unit i. Falls back to the percentile interval where BCa is not defined. */
export function bcaInterval(
  sorted: Float64Array,
  observed: number,
  leftOut: Float64Array,
  level: number,
): Interval {
  let below = 0;
  let equal = 0;
  for (const value of sorted) {
    if (value < observed) below++;
    else if (value === observed) equal++;
  }
  const bias = normalQuantile((below + equal / 2) / sorted.length);
  const mean = leftOut.reduce((sum, value) => sum + value, 0) / leftOut.length;
  let squares = 0;
  let cubes = 0;
  for (const value of leftOut) {
    squares += (mean - value) ** 2;
    cubes += (mean - value) ** 3;
  }
  const acceleration = cubes / (6 * squares ** 1.5);
  const share = (z: number): number => normalCdf(bias + (bias + z) / (1 - acceleration * (bias + z)));
  const z = normalQuantile((1 + level) / 2);
  const [low, high] = [share(-z), share(z)];
  if (!Number.isFinite(low) || !Number.isFinite(high)) return percentileInterval(sorted, level);
  return { low: quantile(sorted, low), high: quantile(sorted, high), level, method: 'bootstrap-bca' };
}

/**
 * All units agree, so a resample says nothing about the ones not seen. With `unseen` the upper Wilson end of 0 of n, a
 * mean could still move that share of the way to either end of its range. An end that is not finite stays put.
 */
export function withoutVariation(
  value: number,
  unseen: number,
  range: readonly [number, number],
  level: number,
): Interval {
  const towards = (end: number): number => (Number.isFinite(end) ? value + unseen * (end - value) : value);
  return { low: towards(range[0]), high: towards(range[1]), level, method: 'no-variation' };
}
