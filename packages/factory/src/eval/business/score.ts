// In: loaded business metrics and answered rows. Out: their values with intervals, and every row on which one failed.
// A function that throws, or returns something else than finite numbers, costs that row, never the run.
import type { MetricDirection, MetricValue, PredictionRow } from '#factory/records/scorecard.ts';
import { DEFAULT_INTERVALS, type IntervalSettings, summarize } from '../metrics/aggregate.ts';
import { meanOfItems } from '../metrics/definition.ts';
import type { BusinessMetric, BusinessModule } from './load.ts';

export interface BusinessFailure {
  row: string;
  metric: string;
  message: string;
}

export interface BusinessScore {
  value: MetricValue;
  /** The sum over the rows, which is what a business counts; null where there is no value. */
  total: { value: number; low: number; high: number } | null;
  direction: MetricDirection;
}

export interface BusinessScores {
  scores: BusinessScore[];
  failures: BusinessFailure[];
}

export async function scoreBusiness(
  { metrics, directions }: BusinessModule,
  rows: readonly PredictionRow[],
  settings: IntervalSettings = DEFAULT_INTERVALS,
): Promise<BusinessScores> {
  const scores: BusinessScore[] = [];
  const failures: BusinessFailure[] = [];
  for (const [name, metric] of metrics) {
    const results: (ReadonlyMap<string, number> | null)[] = [];
    for (const row of rows) {
      const values = await valuesOf(name, metric, row);
      if (typeof values === 'string') failures.push({ row: row.id, metric: name, message: values });
      results.push(typeof values === 'string' ? null : values);
    }
    const names = new Set(results.flatMap((values) => [...(values?.keys() ?? [])]));
    for (const part of names) {
      const perItem = results.map((values) => values?.get(part) ?? null);
      results.forEach((values, i) => {
        if (values && !values.has(part)) {
          failures.push({ row: rows[i].id, metric: name, message: `the result has no "${part}"` });
        }
      });
      scores.push(scoreOf(part, directions[part] ?? 'higher', perItem, rows, settings));
    }
    if (names.size === 0)
      scores.push(
        scoreOf(
          name,
          directions[name] ?? 'higher',
          rows.map(() => null),
          rows,
          settings,
        ),
      );
  }
  return { scores, failures };
}

/** Name of the value → value, or what is wrong with the result. A single number has the name of the function. */
async function valuesOf(
  name: string,
  metric: BusinessMetric,
  row: PredictionRow,
): Promise<ReadonlyMap<string, number> | string> {
  let result: unknown;
  try {
    result = await metric(Object.freeze({ ...row }), row.prediction);
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}` : `threw ${shown(error)}`;
  }
  if (typeof result === 'number') return finiteOnly(new Map([[name, result]]));
  if (typeof result !== 'object' || result === null || Array.isArray(result)) {
    return `expected a number or numbers by name, got ${shown(result)}`;
  }
  const entries = Object.entries(result);
  if (entries.length === 0) return 'expected numbers by name, got an empty object';
  return finiteOnly(new Map(entries.map(([key, value]) => [`${name}.${key}`, value])));
}

function finiteOnly(values: ReadonlyMap<string, unknown>): ReadonlyMap<string, number> | string {
  for (const [name, value] of values) {
    if (!Number.isFinite(value)) return `expected a finite number for ${name}, got ${shown(value)}`;
  }
  return values as ReadonlyMap<string, number>;
}

function shown(value: unknown): string {
  return typeof value === 'number' ? `${value}` : (JSON.stringify(value)?.slice(0, 80) ?? typeof value);
}

function scoreOf(
  name: string,
  direction: MetricDirection,
  perItem: readonly (number | null)[],
  rows: readonly PredictionRow[],
  settings: IntervalSettings,
): BusinessScore {
  const identity = { name: 'business', range: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] } as const;
  const scored = rows.filter((_, i) => perItem[i] !== null);
  const known = perItem.filter((value) => value !== null);
  const invalid = rows.length - scored.length;
  const undefinedWhen = 'the metric failed on every row';
  const [value] = summarize(
    identity,
    [{ ...meanOfItems(known), named: name, invalid, undefinedWhen }],
    scored,
    settings,
  );
  if (value.value === null) return { value, total: null, direction };
  const times = (x: number): number => x * scored.length;
  const { low, high } = value.interval;
  return {
    value: { ...value, perItem },
    total: { value: times(value.value), low: times(low), high: times(high) },
    direction,
  };
}
