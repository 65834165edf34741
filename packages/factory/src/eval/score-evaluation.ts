// In: all answered rows, and what is to be computed. Out: the scorecard: every value with its interval, over all rows and
// over slices, and the failures of business metrics. A metric that cannot be computed says why and loses nothing else.
import { FactoryError } from '#factory/errors.ts';
import type {
  EvaluationRecord,
  MetricRequest,
  RowFailure,
  Scorecard,
  ScoredBusiness,
  ScoredMetric,
  ScoredSlice,
} from '#factory/records/evaluation.ts';
import type { MetricValue, PredictionRow } from '#factory/records/scorecard.ts';
import type { BusinessModule } from './business/load.ts';
import { scoreBusiness } from './business/score.ts';
import { aggregate, type IntervalSettings } from './metrics/aggregate.ts';
import type { MetricPorts } from './metrics/definition.ts';
import { findMetric, METRICS } from './metrics/registry.ts';
import { LATENCY } from './plan-metrics.ts';

export interface ScoreDeps {
  ports: MetricPorts;
  business: BusinessModule | null;
  detectable: Scorecard['detectable'];
}

type Plan = Pick<EvaluationRecord, 'metrics' | 'slices' | 'intervals' | 'task'>;

export async function scoreEvaluation(
  rows: readonly PredictionRow[],
  plan: Plan,
  { ports, business, detectable }: ScoreDeps,
): Promise<{ scorecard: Scorecard; failures: RowFailure[] }> {
  const settings: IntervalSettings = plan.intervals;
  const metrics = plan.metrics.map((request) => scoreMetric(request, rows, ports, settings));
  // Rows that were answered alone: only their times are those of one request.
  const timed = rows.filter(({ timings }) => timings !== undefined);
  if (timed.length > 0) {
    const names = plan.task.predict === 'generate' ? ([...LATENCY, 'tokens_per_second'] as const) : LATENCY;
    metrics.push(...names.map((name) => scoreMetric({ name, options: {} }, timed, ports, settings)));
  }
  const scored = business && (await scoreBusiness(business, rows, settings));
  const failures: RowFailure[] = [
    ...rows.flatMap(({ id, failure }): RowFailure[] =>
      failure === undefined ? [] : [{ row: id, step: 'answer', message: failure }],
    ),
    ...(scored?.failures ?? []).map((failure): RowFailure => ({ ...failure, step: 'business' })),
  ];
  const scorecard: Scorecard = {
    format: 1,
    rows: rows.length,
    failedRows: rows.filter(({ failure }) => failure !== undefined).length,
    metrics,
    business:
      business && scored
        ? { path: business.path, scores: scored.scores, failures: scored.failures.length }
        : null,
    slices: await scoreSlices(rows, plan, { ports, business }, settings),
    detectable,
  };
  return { scorecard, failures };
}

function scoreMetric(
  request: MetricRequest,
  rows: readonly PredictionRow[],
  ports: MetricPorts,
  settings: IntervalSettings,
): ScoredMetric {
  const metric = METRICS[request.name];
  const { direction, comparisonOnly } = metric;
  try {
    return {
      request,
      direction,
      comparisonOnly,
      values: aggregate(metric, rows, request.options, ports, settings),
    };
  } catch (error) {
    if (!(error instanceof FactoryError)) throw error;
    const value: MetricValue = {
      metric: request.name,
      name: request.name,
      n: rows.length,
      invalid: rows.filter(({ failure }) => failure !== undefined).length,
      value: null,
      interval: null,
      reason: error.message,
    };
    return { request, direction, comparisonOnly, values: [value] };
  }
}

/** Metrics with one value per label are left out of slices: they are slices themselves. */
async function scoreSlices(
  rows: readonly PredictionRow[],
  { slices, metrics }: Plan,
  { ports, business }: Pick<ScoreDeps, 'ports' | 'business'>,
  settings: IntervalSettings,
): Promise<ScoredSlice[]> {
  const scored: ScoredSlice[] = [];
  for (const slice of slices) {
    const groups = Map.groupBy(rows, (row) => row.slices?.[slice] ?? '');
    for (const [value, own] of [...groups].sort((a, b) => b[1].length - a[1].length)) {
      const requests = metrics.filter(({ name }) => !findMetric(name).name.endsWith('_per_class'));
      const part = business ? (await scoreBusiness(business, own, settings)).scores : [];
      scored.push({
        slice,
        value,
        rows: own.length,
        metrics: requests.map((request) => withoutItems(scoreMetric(request, own, ports, settings))),
        business: part.map((score) => ({ ...score, value: bare(score.value) })),
      });
    }
  }
  return scored;
}

const withoutItems = (metric: ScoredMetric): ScoredMetric => ({ ...metric, values: metric.values.map(bare) });

function bare(value: ScoredBusiness['scores'][number]['value']): MetricValue {
  if (value.value === null) return value;
  const { perItem: _, ...rest } = value;
  return rest;
}
