// In: an evaluation and the metric that calls rows right or wrong. Out: its wrong answers, the surest first: what a
// reader should look at before anything else. Rows without an answer come first.
import type { MetricName } from '#factory/records/metric-names.ts';
import type { PredictionRow } from '#factory/records/scorecard.ts';
import type { WorstExample } from '#factory/records/verdict.ts';
import type { EvaluationSide } from '../compare/pair-rows.ts';

export function worstExamples(
  { rows, scorecard, record }: EvaluationSide,
  by: string | null,
  show: number,
): WorstExample[] {
  const scored = scorecard.metrics.find(({ request }) => request.name === (by as MetricName | null));
  const value = scored?.values[0];
  const perItem = value && value.value !== null ? value.perItem : undefined;
  const wrong = rows
    .map((row, i) => ({ row, value: perItem?.[i] ?? null, sure: confidenceOf(row) }))
    .filter(({ row, value: item }) => row.failure !== undefined || (item !== null && item < 1));
  const rank = (one: (typeof wrong)[number]) => (one.row.failure === undefined ? (one.sure ?? 0) : 2);
  return wrong
    .sort((a, b) => rank(b) - rank(a))
    .slice(0, show)
    .map(({ row, sure }) => ({
      id: row.id,
      prompt: row.prompt,
      references: row.label === undefined ? row.references : [row.label],
      prediction: row.prediction,
      failure: row.failure ?? null,
      confidence: record.task.kind === 'classification' ? sure : (row.confidence ?? null),
    }));
}

/** The share of the likeliest label, as the metrics of confidence have it. */
function confidenceOf({ confidence, labelLogprobs }: PredictionRow): number | null {
  if (confidence !== undefined) return confidence;
  const logs = Object.values(labelLogprobs ?? {});
  if (logs.length === 0) return null;
  const top = Math.max(...logs);
  return 1 / logs.reduce((sum, log) => sum + Math.exp(log - top), 0);
}
