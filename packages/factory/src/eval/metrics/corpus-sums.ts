// In: a few numbers per row. Out: a statistic of their sums over any rows: how BLEU, chrF, TER and perplexity are made,
// so that a resample costs additions only. Also the rows' references, which these metrics all need.
import type { MetricName } from '#factory/records/metric-names.ts';
import type { PredictionRow } from '#factory/records/scorecard.ts';
import type { Statistic } from '../statistics/bootstrap.ts';
import { badRow } from './definition.ts';

export function statisticOfSums(
  perRow: readonly (readonly number[])[],
  score: (sums: Float64Array) => number,
): Statistic {
  const width = perRow[0].length;
  const flat = Float64Array.from(perRow.flat());
  return (rows) => {
    const sums = new Float64Array(width);
    for (let i = 0; i < rows.length; i++) {
      const start = rows[i] * width;
      for (let j = 0; j < width; j++) sums[j] += flat[start + j];
    }
    return score(sums);
  };
}

export function referencesOf(metric: MetricName, row: PredictionRow): readonly string[] {
  if (row.references.length > 0) return row.references;
  throw badRow(metric, row, 'at least one reference', 'none');
}

/** How sacrebleu writes the number of references: `var` when rows have different ones. */
export function referenceCount(rows: readonly PredictionRow[]): string {
  const counts = new Set(rows.map((row) => row.references.length));
  return counts.size === 1 ? `${[...counts][0]}` : 'var';
}

/** The version whose numbers and signatures are reproduced. */
export const SACREBLEU = '2.6.0';
