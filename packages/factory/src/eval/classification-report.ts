// In: rows with true labels and answers, and the declared label set. Out: accuracy, macro-F1 and the figures of each
// label with their intervals, and the confusion counts. Other metrics are picked by name from metrics/registry.ts.
import { invariant } from '#factory/errors.ts';
import type { ClassificationReport, MetricValue, PredictionRow } from '#factory/records/scorecard.ts';
import { aggregate } from './metrics/aggregate.ts';
import { confusionCounts, tallyOf } from './metrics/confusion.ts';
import { classify, type LabelOptions } from './metrics/labels.ts';
import { METRICS } from './metrics/registry.ts';

export function classificationReport(
  rows: readonly PredictionRow[],
  options: LabelOptions,
): ClassificationReport {
  const values = (
    name: 'accuracy' | 'f1_macro' | `${'precision' | 'recall' | 'f1'}_per_class`,
  ): MetricValue[] => aggregate(METRICS[name], rows, options, {});
  const [accuracy] = values('accuracy');
  const [macroF1] = values('f1_macro');
  const [precision, recall, f1] = [
    values('precision_per_class'),
    values('recall_per_class'),
    values('f1_per_class'),
  ];
  const classes = classify('accuracy', rows, options);
  const { support } = tallyOf(
    classes,
    rows.map((_, i) => i),
  );
  invariant(accuracy && macroF1, 'both metrics have one value');
  return {
    rows: rows.length,
    invalid: classes.invalid,
    accuracy,
    macroF1,
    perLabel: options.labels.map((label, i) => ({
      label,
      support: support[i],
      precision: precision[i],
      recall: recall[i],
      f1: f1[i],
    })),
    confusion: confusionCounts(classes),
  };
}
