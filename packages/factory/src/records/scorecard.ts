// In: nothing. Out: the records of evaluation: what a model answered to a row, and a metric's value with its interval.
// How they are computed is eval/metrics and eval/statistics; how rows are answered and stored is left to the runner.
import type { MetricName } from './metric-names.ts';

/** A row after the model has answered it: all that a metric may see. */
export interface PredictionRow {
  id: string;
  prompt: string;
  /** The answer as the model gave it; '' when `failure` says why there is none. */
  prediction: string;
  /** Why the row has no answer (a timeout, an error of the server). Such rows are scored as '' and counted as invalid. */
  failure?: string;
  /** Acceptable answers, the best first. */
  references: readonly string[];
  /** The true class; where it is missing, the first reference is. */
  label?: string;
  /** Log-probability of each label, when the answer is the likeliest label. They need not be normalised. */
  labelLogprobs?: Readonly<Record<string, number>>;
  /** How sure the model is of its answer, 0 to 1; where it is missing, it follows from `labelLogprobs`. */
  confidence?: number;
  /** Log-probabilities (natural) of the tokens of the first reference, given the prompt. */
  logprobs?: readonly number[];
  /** Several answers to the same row, and how many of them passed the row's check. */
  attempts?: { made: number; passed: number };
  timings?: RowTimings;
  /** Rows of one conversation, document or user are not independent: they are resampled together. */
  cluster?: string;
  /** Slice name → value, as `{ language: 'zh' }`. */
  slices?: Readonly<Record<string, string>>;
  /** The source row, for business metrics. */
  source?: Readonly<Record<string, unknown>>;
}

export interface RowTimings {
  firstTokenMs: number;
  lastTokenMs: number;
  outputTokens: number;
}

export type IntervalMethod =
  | 'wilson'
  | 'bootstrap-percentile'
  | 'bootstrap-bca'
  /** Of a difference of two shares on the same rows (eval/statistics/paired-shares.ts). */
  | 'bonett-price'
  /** Mean ± z standard errors. */
  | 'normal'
  /** All rows agree, so that resampling shows no spread: see `withoutVariation` in eval/statistics/bootstrap.ts. */
  | 'no-variation';

export interface Interval {
  low: number;
  high: number;
  /** Confidence level, as 0.95. */
  level: number;
  method: IntervalMethod;
}

export type MetricDirection = 'higher' | 'lower' | 'none';

interface MetricCounts {
  metric: MetricName | 'business';
  /** The metric with its variant and part, as `f1_per_class[spam]` or `bleu@zh`. */
  name: string;
  /** Rows that the value is made of; of a business metric, those on which it did not fail. */
  n: number;
  /** Rows whose answer could not be used: failed, off the label set, not parsed. They are in `n`, and count as wrong. */
  invalid: number;
  /** The library's own description of the variant, where it has one (sacrebleu). */
  signature?: string;
}

/** There is no number without an interval, and no interval without a number. */
export type MetricValue = MetricCounts &
  /** `perItem`: the rows' own values, in their order; null where a row has none. */
  (
    | { value: number; interval: Interval; perItem?: readonly (number | null)[] }
    /** Not defined on these rows. */
    | { value: null; interval: null; reason: string }
  );

export interface ClassificationReport {
  rows: number;
  /** Answers off the label set. */
  invalid: number;
  accuracy: MetricValue;
  macroF1: MetricValue;
  perLabel: {
    label: string;
    support: number;
    precision: MetricValue;
    recall: MetricValue;
    f1: MetricValue;
  }[];
  /** `confusion[i][j]`: rows of true label i that were called label j; the last column is answers off the set. */
  confusion: number[][];
}
