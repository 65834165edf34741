// In: a metric, rows and how to estimate uncertainty. Out: its value or values, each with an interval, or the reason why
// there is none. Wilson for shares of independent rows, otherwise the bootstrap over rows or clusters.
import type { Interval, MetricValue, PredictionRow } from '#factory/records/scorecard.ts';
import { bootstrapIntervals, resamplingUnits, withoutVariation } from '../statistics/bootstrap.ts';
import { wilsonInterval } from '../statistics/wilson.ts';
import type { MetricDefinition, MetricPorts, PreparedMetric } from './definition.ts';

export interface IntervalSettings {
  /** Confidence level, as 0.95. */
  level: number;
  resamples: number;
  seed: number | string;
  method: 'percentile' | 'bca';
}

export const DEFAULT_INTERVALS: IntervalSettings = {
  level: 0.95,
  resamples: 2000,
  seed: 0,
  method: 'percentile',
};

export function aggregate(
  metric: MetricDefinition,
  rows: readonly PredictionRow[],
  options: unknown,
  ports: MetricPorts,
  settings: IntervalSettings = DEFAULT_INTERVALS,
): MetricValue[] {
  return summarize(metric, metric.prepare(rows, options, ports), rows, settings);
}

/** What a metric's values need to be known of it. */
export interface MetricIdentity {
  name: MetricValue['metric'];
  range: readonly [number, number];
}

export function summarize(
  metric: MetricIdentity,
  prepared: readonly PreparedMetric[],
  rows: readonly PredictionRow[],
  settings: IntervalSettings,
): MetricValue[] {
  const all = rows.map((_, i) => i);
  const values = prepared.map((part) => part.value(all));
  const intervals = intervalsOf(metric, prepared, values, rows, settings);
  return prepared.map((part, i): MetricValue => {
    const counts = {
      metric: metric.name,
      name: valueName(metric, part),
      n: rows.length,
      invalid: part.invalid,
      ...(part.signature === undefined ? {} : { signature: part.signature }),
    };
    const interval = intervals[i];
    if (Number.isFinite(values[i]) && interval) {
      return { ...counts, value: values[i], interval, ...(part.perItem ? { perItem: part.perItem } : {}) };
    }
    const reason = Number.isFinite(values[i])
      ? 'one unit only, or too many resamples without a value: no interval can be given'
      : (part.undefinedWhen ?? 'the value is not a finite number');
    return { ...counts, value: null, interval: null, reason };
  });
}

/** `f1_per_class[spam]`, `bleu@zh`. */
export function valueName(metric: MetricIdentity, { named, part, variant }: PreparedMetric): string {
  if (named !== undefined) return named;
  return `${metric.name}${variant === undefined ? '' : `@${variant}`}${part === undefined ? '' : `[${part}]`}`;
}

function intervalsOf(
  metric: MetricIdentity,
  prepared: readonly PreparedMetric[],
  values: readonly number[],
  rows: readonly PredictionRow[],
  settings: IntervalSettings,
): (Interval | null)[] {
  const { level } = settings;
  const units = resamplingUnits(rows);
  const independent = units.length === rows.length;
  const resampled = prepared.filter(
    (part, i) => Number.isFinite(values[i]) && !(part.proportion && independent),
  );
  // One pass over a resample serves all parts that come from it.
  const pass = resampled[0]?.shared?.compute;
  const shared = pass !== undefined && resampled.every((part) => part.shared?.compute === pass);
  const joint = (some: ArrayLike<number>): ArrayLike<number> => {
    if (!shared) return resampled.map((part) => part.value(some));
    const found = pass(some);
    return resampled.map((part) => found[part.shared!.index]);
  };
  const intervals = bootstrapIntervals(joint, resampled.length, units, settings);
  const estimates = new Map(resampled.map((part, i) => [part, intervals[i]]));
  return prepared.map((part, i) => {
    if (part.proportion && independent)
      return wilsonInterval(part.proportion.hits, part.proportion.trials, level);
    const interval = estimates.get(part) ?? null;
    if (!interval || interval.low !== interval.high) return interval;
    return withoutVariation(values[i], wilsonInterval(0, units.length, level).high, metric.range, level);
  });
}
