// In: a finished evaluation. Out: its values as text, each with its interval. A value that is not defined says why.
import type { EvaluationRecord, Scorecard, ScoredMetric } from '#factory/records/evaluation.ts';
import { gigabytes } from '#factory/records/quantities.ts';
import type { MetricValue } from '#factory/records/scorecard.ts';

const NAME_WIDTH = 44;
/** Values of single labels that are shown; the others are in scorecard.json. */
const MAX_PARTS = 8;

export function evaluationText(record: EvaluationRecord, card: Scorecard, dir: string): string {
  const level = `${Number((100 * record.intervals.level).toPrecision(4))} %`;
  const lines = [
    `${record.name}: ${card.rows} rows${card.failedRows > 0 ? `, of which ${card.failedRows} have no answer (see failures.jsonl)` : ''}; intervals of ${level}`,
    '',
    ...card.metrics.flatMap(metricLines),
    ...businessLines(card),
    ...sliceLines(card),
    '',
    ...costLines(record),
    `${dir}: evaluation.json, scorecard.json, predictions.jsonl, failures.jsonl`,
  ];
  return `${lines.join('\n')}\n`;
}

function metricLines({ values, comparisonOnly }: ScoredMetric): string[] {
  const shown = values.slice(0, MAX_PARTS);
  const more = values.length - shown.length;
  return [
    ...shown.map((value) => `  ${valueText(value)}${comparisonOnly ? '  (for comparison only)' : ''}`),
    ...(more > 0 ? [`  … ${more} more of ${values[0].metric} in scorecard.json`] : []),
  ];
}

function valueText(value: MetricValue): string {
  const name = value.name.padEnd(NAME_WIDTH);
  const bad = value.invalid > 0 ? `, ${value.invalid} invalid` : '';
  if (value.value === null) return `${name} not defined: ${value.reason}`;
  const { low, high } = value.interval;
  return `${name} ${figure(value.value).padStart(9)}  [${figure(low)}, ${figure(high)}]  n ${value.n}${bad}`;
}

function figure(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  return size !== 0 && (size < 0.001 || size >= 100_000)
    ? value.toExponential(3)
    : value.toFixed(size >= 100 ? 1 : 4);
}

function businessLines({ business }: Scorecard): string[] {
  if (!business) return [];
  const lines = business.scores.flatMap(({ value, total }) => [
    `  ${valueText(value)}`,
    ...(total
      ? [
          `  ${'  sum over the rows'.padEnd(NAME_WIDTH)} ${figure(total.value).padStart(9)}  [${figure(total.low)}, ${figure(total.high)}]`,
        ]
      : []),
  ]);
  const failed = business.failures > 0 ? [`  ${business.failures} failures are in failures.jsonl`] : [];
  return ['', `  business metrics of ${business.path}`, ...lines, ...failed];
}

/** The first metric of each slice. */
function sliceLines({ slices }: Scorecard): string[] {
  if (slices.length === 0) return [];
  const lines = slices.flatMap(({ slice, value, metrics }) => {
    const first = metrics[0]?.values[0];
    return first ? [`  ${`${slice} = ${value}`.padEnd(NAME_WIDTH)} ${valueText(first)}`] : [];
  });
  const shown = lines.slice(0, 2 * MAX_PARTS);
  const more = lines.length - shown.length;
  return ['', '  slices', ...shown, ...(more > 0 ? [`  … ${more} more in scorecard.json`] : [])];
}

function costLines({ cost, model }: EvaluationRecord): string[] {
  if (!cost) return [];
  const parts = [
    ...(model.bytes === null ? [] : [`model ${gigabytes(model.bytes)}`]),
    ...(cost.peakMemoryBytes === null ? [] : [`peak memory ${gigabytes(cost.peakMemoryBytes)}`]),
    `${cost.promptTokens} prompt and ${cost.newTokens} new tokens`,
    `${cost.seconds.toFixed(1)} s`,
  ];
  return [parts.join(', ')];
}
