// In: rows with a true class and how sure the model was. Out: the definitions of the metrics of confidence: calibration,
// what is gained by abstaining (risk and coverage), and the threshold that reaches a precision.
import { z } from 'zod';
import type { MetricName } from '#factory/records/metric-names.ts';
import type { PredictionRow } from '#factory/records/scorecard.ts';
import {
  badOption,
  badRow,
  countFailures,
  defineMetric,
  type MetricDefinition,
  meanOfItems,
} from './definition.ts';
import { classify, labelOptions, truthOf } from './labels.ts';
import { accuracyAtCoverage, areaUnderRisk, coverageAtAccuracy } from './risk-coverage.ts';
import { thresholdAtPrecision } from './threshold.ts';

interface Judged {
  confidence: Float64Array;
  correct: Float64Array;
  invalid: number;
}

const binned = z.strictObject({ ...labelOptions, bins: z.int().min(1).max(1000).default(10) });

const ece = (binning: 'equal-width' | 'equal-mass', rule: string): MetricDefinition => {
  const name = `ece@${binning}` as const;
  const groups = binning === 'equal-width' ? equalWidth : equalMass;
  return defineMetric({
    name,
    direction: 'lower',
    range: [0, 1],
    summary: `Expected calibration error over bins ${rule}: mean distance of confidence and accuracy.`,
    source: 'Naeini et al. 2015, Guo et al. 2017. On few rows it is too high, and so are its resamples.',
    options: binned,
    prepare(rows, options) {
      const { confidence, correct, invalid } = judge(name, rows, options);
      return {
        variant: `${options.bins}`,
        invalid,
        value(some) {
          let total = 0;
          for (const group of groups(confidence, some, options.bins)) {
            let gap = 0;
            for (const row of group) gap += confidence[row] - correct[row];
            total += Math.abs(gap);
          }
          return total / some.length;
        },
      };
    },
  });
};

/** Bin i holds i/bins ≤ confidence < (i+1)/bins; the last one also holds 1. */
function equalWidth(confidence: Float64Array, rows: ArrayLike<number>, bins: number): number[][] {
  const groups = Array.from({ length: bins }, (): number[] => []);
  for (let i = 0; i < rows.length; i++) {
    groups[Math.min(bins - 1, Math.floor(confidence[rows[i]] * bins))].push(rows[i]);
  }
  return groups;
}

/** Rows by confidence in `bins` groups; the first ones have one row more when it does not divide. */
function equalMass(confidence: Float64Array, rows: ArrayLike<number>, bins: number): number[][] {
  const sorted = Array.from(rows).sort((a, b) => confidence[a] - confidence[b] || a - b);
  const size = Math.floor(sorted.length / bins);
  const larger = sorted.length % bins;
  const start = (bin: number): number => bin * size + Math.min(bin, larger);
  return Array.from({ length: bins }, (_, i) => sorted.slice(start(i), start(i + 1)));
}

const brierMulticlass = defineMetric({
  name: 'brier@multiclass',
  direction: 'lower',
  range: [0, 2],
  summary: 'Mean squared distance of the label probabilities and the truth, summed over labels.',
  source: 'Brier 1950; scikit-learn brier_score_loss(scale_by_half=False). Needs labelLogprobs.',
  options: z.strictObject({ labels: labelOptions.labels }),
  prepare(rows, { labels }) {
    const perItem = rows.map((row) => {
      const truth = truthOf('brier@multiclass', row, labels);
      const shares = probabilities('brier@multiclass', row, labels);
      return shares.reduce((sum, p, label) => sum + (p - Number(label === truth)) ** 2, 0);
    });
    return { ...meanOfItems(perItem), invalid: countFailures(rows) };
  },
});

const positiveOptions = { labels: labelOptions.labels, positive: z.string() };

const brierBinary = defineMetric({
  name: 'brier@binary',
  direction: 'lower',
  range: [0, 1],
  summary: 'Mean squared distance of the probability of the positive label and the truth.',
  source: 'scikit-learn brier_score_loss on two classes. Needs labelLogprobs.',
  options: z.strictObject(positiveOptions),
  prepare(rows, options) {
    const { scores, positive } = scored('brier@binary', rows, options);
    const perItem = Array.from(scores, (score, i) => (score - Number(positive[i])) ** 2);
    return { ...meanOfItems(perItem), part: options.positive, invalid: countFailures(rows) };
  },
});

const logLoss = defineMetric({
  name: 'log_loss',
  direction: 'lower',
  range: [0, Number.POSITIVE_INFINITY],
  summary: 'Mean negative log-probability (natural) of the true label.',
  source: 'scikit-learn log_loss; a probability is at least 2^-52. Needs labelLogprobs.',
  options: z.strictObject({ labels: labelOptions.labels }),
  prepare(rows, { labels }) {
    const perItem = rows.map((row) => {
      const share = probabilities('log_loss', row, labels)[truthOf('log_loss', row, labels)];
      return -Math.log(Math.min(Math.max(share, Number.EPSILON), 1 - Number.EPSILON));
    });
    return { ...meanOfItems(perItem), invalid: countFailures(rows) };
  },
});

const aurc = defineMetric({
  name: 'aurc',
  direction: 'lower',
  range: [0, 1],
  summary: 'Area under the risk-coverage curve: mean error rate of the k surest answers, over all k.',
  source: 'Geifman and El-Yaniv 2017. Equal confidences are taken in random order, in expectation.',
  options: z.strictObject(labelOptions),
  prepare(rows, options) {
    const { confidence, correct, invalid } = judge('aurc', rows, options);
    return { invalid, value: (some) => areaUnderRisk(confidence, correct, some) };
  },
});

const accuracyAt = defineMetric({
  name: 'accuracy_at_coverage',
  direction: 'higher',
  range: [0, 1],
  summary: 'Accuracy on the surest share `coverage` of the rows, the rest being left to people.',
  source: 'A point of the risk-coverage curve; the number of rows is rounded up.',
  options: z.strictObject({ ...labelOptions, coverage: z.number().gt(0).max(1) }),
  prepare(rows, options) {
    const { confidence, correct, invalid } = judge('accuracy_at_coverage', rows, options);
    const value = (some: ArrayLike<number>): number =>
      accuracyAtCoverage(confidence, correct, some, options.coverage);
    return { variant: `${options.coverage}`, invalid, value };
  },
});

const coverageAt = defineMetric({
  name: 'coverage_at_accuracy',
  direction: 'higher',
  range: [0, 1],
  summary: 'Largest share of rows that can be answered with at least the accuracy `accuracy`.',
  source:
    'A point of the risk-coverage curve; 0 where no threshold reaches it. The threshold is chosen on the same rows.',
  options: z.strictObject({ ...labelOptions, accuracy: z.number().gt(0).max(1) }),
  prepare(rows, options) {
    const { confidence, correct, invalid } = judge('coverage_at_accuracy', rows, options);
    const value = (some: ArrayLike<number>): number =>
      coverageAtAccuracy(confidence, correct, some, options.accuracy);
    return { variant: `${options.accuracy}`, invalid, value };
  },
});

const recallAt = defineMetric({
  name: 'recall_at_precision',
  direction: 'higher',
  range: [0, 1],
  summary: 'Highest recall of the label `positive` at a threshold whose precision is at least `precision`.',
  source:
    'A point of scikit-learn precision_recall_curve; 0 where no threshold reaches it. Needs labelLogprobs.',
  options: z.strictObject({ ...positiveOptions, precision: z.number().gt(0).max(1) }),
  prepare(rows, options) {
    const { scores, positive } = scored('recall_at_precision', rows, options);
    // What was not answered is never called positive.
    rows.forEach((row, i) => {
      if (row.failure !== undefined) scores[i] = Number.NEGATIVE_INFINITY;
    });
    return {
      part: options.positive,
      variant: `${options.precision}`,
      invalid: countFailures(rows),
      value: (some) => thresholdAtPrecision(scores, positive, some, options.precision)?.recall ?? 0,
    };
  },
});

function judge(
  metric: MetricName,
  rows: readonly PredictionRow[],
  options: Parameters<typeof classify>[2],
): Judged {
  const { truth, predicted, invalid } = classify(metric, rows, options);
  return {
    confidence: Float64Array.from(rows, (row) => confidenceOf(metric, row, options.labels)),
    correct: Float64Array.from(truth, (label, i) => Number(label === predicted[i])),
    invalid,
  };
}

function confidenceOf(metric: MetricName, row: PredictionRow, labels: readonly string[]): number {
  if (row.failure !== undefined) return 0;
  const confidence = row.confidence ?? Math.max(...probabilities(metric, row, labels));
  if (confidence >= 0 && confidence <= 1) return confidence;
  throw badRow(metric, row, 'a confidence from 0 to 1', `${confidence}`);
}

/** Softmax of the label log-probabilities: shares among the declared labels, equal ones where there is no answer. */
function probabilities(metric: MetricName, row: PredictionRow, labels: readonly string[]): number[] {
  if (row.failure !== undefined) return labels.map(() => 1 / labels.length);
  const logprobs = labels.map((label) => row.labelLogprobs?.[label]);
  const missing = logprobs.findIndex((logprob) => logprob === undefined || Number.isNaN(logprob));
  if (missing >= 0)
    throw badRow(metric, row, `labelLogprobs of ${labels[missing]}`, `${logprobs[missing] ?? 'none'}`);
  const top = Math.max(...(logprobs as number[]));
  const weights = (logprobs as number[]).map((logprob) => Math.exp(logprob - top));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

function scored(
  metric: MetricName,
  rows: readonly PredictionRow[],
  { labels, positive }: { labels: readonly string[]; positive: string },
): { scores: Float64Array; positive: boolean[] } {
  const index = labels.indexOf(positive);
  if (index < 0) throw badOption(metric, `positive "${positive}" is none of the labels ${labels.join(', ')}`);
  return {
    scores: Float64Array.from(rows, (row) => probabilities(metric, row, labels)[index]),
    positive: rows.map((row) => truthOf(metric, row, labels) === index),
  };
}

export const CONFIDENCE_METRICS = {
  'ece@equal-width': ece('equal-width', 'of equal width (closed below)'),
  'ece@equal-mass': ece('equal-mass', 'with equally many rows'),
  'brier@multiclass': brierMulticlass,
  'brier@binary': brierBinary,
  log_loss: logLoss,
  aurc,
  accuracy_at_coverage: accuracyAt,
  coverage_at_accuracy: coverageAt,
  recall_at_precision: recallAt,
} as const satisfies Partial<Record<MetricName, MetricDefinition>>;
