// In: nothing. Out: the record of a comparison of two evaluations on the same rows: every difference with its interval,
// slices, rows that flipped, costs. How they are computed is eval/compare/; the decision that follows is verdict.ts.
import type { MetricName } from './metric-names.ts';
import type { Interval, MetricDirection, MetricValue } from './scorecard.ts';

export type DifferenceTest = 'mcnemar-mid-p' | 'sign-flip' | 'paired-bootstrap';

/** How a value is written: 0.42 as 42 %, a time in ms, or as it is. */
export type ValueUnit = 'share' | 'ms' | 'number';

/** Candidate − base, of one value, on the rows that both have. */
export interface Difference {
  metric: MetricName | 'business';
  /** As `accuracy`, `f1_per_class[spam]` or `net_gain`. */
  name: string;
  direction: MetricDirection;
  unit: ValueUnit;
  /** For comparison with other tools' reports: it must not decide anything. */
  comparisonOnly: boolean;
  /** Rows compared, and what is resampled: rows or clusters of them. */
  n: number;
  units: number;
  base: MetricValue;
  candidate: MetricValue;
  /** Null where one of the two has no value, or there is no interval. */
  delta: {
    value: number;
    interval: Interval;
    /** Two-sided, of "no difference". */
    p: number;
    /** Corrected within the family: metrics, their parts, or slices. */
    pAdjusted: number;
    test: DifferenceTest;
  } | null;
}

export interface SliceDifferences {
  slice: string;
  value: string;
  rows: number;
  /** Empty where the slice is too small to say anything. */
  differences: Difference[];
}

/** A row on which one of the two is right and the other wrong. */
export interface Flip {
  id: string;
  prompt: string;
  references: readonly string[];
  base: string;
  candidate: string;
  slices: Readonly<Record<string, string>>;
}

/** A cost that was measured once, so that it has no interval. */
export interface CostFact {
  name: 'peak_memory' | 'model_size' | 'seconds_per_row' | 'prompt_tokens_per_row' | 'new_tokens_per_row';
  unit: 'bytes' | 'seconds' | 'tokens';
  base: number | null;
  candidate: number | null;
}

export type Correction = 'holm' | 'bh';

export interface Comparison {
  base: { folder: string; name: string };
  candidate: { folder: string; name: string };
  rows: number;
  /** Rows of either side without an answer; they count as wrong. */
  failed: { base: number; candidate: number };
  level: number;
  resamples: number;
  seed: number | string;
  correction: Correction;
  metrics: Difference[];
  /** Values of one class or target. */
  parts: Difference[];
  business: Difference[];
  slices: SliceDifferences[];
  /** Latencies, where both sides were timed. */
  latency: Difference[];
  costs: CostFact[];
  /** By the first metric that calls a row right or wrong; null where there is none. */
  flips: { by: string; fixed: number; broken: number; shown: { fixed: Flip[]; broken: Flip[] } } | null;
  notes: ComparisonNote[];
}

/** What a reader should know; the sentence is made in the reader's language. */
export interface ComparisonNote {
  kind: 'metric_on_one_side' | 'different_prediction' | 'different_machine' | 'metric_failed';
  detail: string;
}
