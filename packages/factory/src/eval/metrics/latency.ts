// In: rows with timings. Out: percentiles of the time to the first and to the last token, and tokens per second.
// Times are measured by whoever asks the model; nothing here reads a clock.
import { z } from 'zod';
import type { MetricName } from '#factory/records/metric-names.ts';
import type { PredictionRow, RowTimings } from '#factory/records/scorecard.ts';
import { statisticOfSums } from './corpus-sums.ts';
import { badRow, countFailures, defineMetric, type MetricDefinition } from './definition.ts';

const percentile = (which: 'first_token' | 'last_token', percent: 50 | 95 | 99): MetricDefinition => {
  const name = `${which}_ms@p${percent}` as const;
  return defineMetric({
    name,
    direction: 'lower',
    range: [0, Number.POSITIVE_INFINITY],
    summary: `Time from the request to the ${which === 'first_token' ? 'first' : 'last'} token in ms: ${percent} % of the rows are at most this slow.`,
    source:
      'Quantile by linear interpolation (R type 7). Needs timings; rows that failed are left out of the times.',
    options: z.strictObject({}),
    prepare(rows) {
      const times = Float64Array.from(rows, (row) =>
        row.failure === undefined
          ? timingsOf(name, row)[which === 'first_token' ? 'firstTokenMs' : 'lastTokenMs']
          : -1,
      );
      // Sorted once; a resample only counts how often each row is drawn.
      const order = Uint32Array.from(rows.keys()).sort((a, b) => times[a] - times[b]);
      const drawn = new Uint32Array(rows.length);
      return {
        value(some) {
          drawn.fill(0);
          let total = 0;
          for (let i = 0; i < some.length; i++) {
            if (times[some[i]] < 0) continue;
            drawn[some[i]]++;
            total++;
          }
          return total > 0 ? drawnQuantile(times, order, drawn, (percent / 100) * (total - 1)) : Number.NaN;
        },
        invalid: countFailures(rows),
        undefinedWhen: 'every row failed',
      };
    },
  });
};

/** The value at place `at` (from 0) of the drawn times, by linear interpolation. */
function drawnQuantile(times: Float64Array, order: Uint32Array, drawn: Uint32Array, at: number): number {
  const below = Math.floor(at);
  let passed = 0;
  let low = Number.NaN;
  for (const row of order) {
    if (drawn[row] === 0) continue;
    passed += drawn[row];
    if (Number.isNaN(low) && passed > below) low = times[row];
    if (passed > below + 1 || (passed > below && at === below))
      return low + (at - below) * (times[row] - low);
  }
  return low;
}

const tokensPerSecond = defineMetric({
  name: 'tokens_per_second',
  direction: 'higher',
  range: [0, Number.POSITIVE_INFINITY],
  summary: 'Tokens after the first one per second of the time between first and last token, over all rows.',
  source: 'Own definition: decoding speed of one request at a time, without prefill. Needs timings.',
  options: z.strictObject({}),
  prepare(rows) {
    const perRow = rows.map((row) => {
      if (row.failure !== undefined) return [0, 0];
      const { firstTokenMs, lastTokenMs, outputTokens } = timingsOf('tokens_per_second', row);
      return [Math.max(0, outputTokens - 1), lastTokenMs - firstTokenMs];
    });
    return {
      value: statisticOfSums(perRow, ([tokens, ms]) => (ms > 0 ? (1000 * tokens) / ms : Number.NaN)),
      invalid: countFailures(rows),
      undefinedWhen: 'no row has more than one token',
    };
  },
});

function timingsOf(metric: MetricName, row: PredictionRow): RowTimings {
  const { timings } = row;
  if (!timings) throw badRow(metric, row, 'timings', 'none');
  if (timings.firstTokenMs >= 0 && timings.lastTokenMs >= timings.firstTokenMs) return timings;
  throw badRow(
    metric,
    row,
    '0 ≤ firstTokenMs ≤ lastTokenMs',
    `${timings.firstTokenMs} and ${timings.lastTokenMs}`,
  );
}

export const LATENCY_METRICS = {
  'first_token_ms@p50': percentile('first_token', 50),
  'first_token_ms@p95': percentile('first_token', 95),
  'first_token_ms@p99': percentile('first_token', 99),
  'last_token_ms@p50': percentile('last_token', 50),
  'last_token_ms@p95': percentile('last_token', 95),
  'last_token_ms@p99': percentile('last_token', 99),
  tokens_per_second: tokensPerSecond,
} as const satisfies Partial<Record<MetricName, MetricDefinition>>;
