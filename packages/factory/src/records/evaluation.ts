// In: nothing. Out: the files of an evaluation folder: what was evaluated and how (evaluation.json), each answered row
// (predictions.jsonl), the values (scorecard.json) and every failure of a row (failures.jsonl). Reading and writing them is
// store/evaluation-files.ts; how the values come about is eval/.
import { z } from 'zod';
import { METRIC_NAMES, type MetricName } from './metric-names.ts';
import type { MetricDirection, MetricValue, PredictionRow } from './scorecard.ts';

export const EVALUATION_FORMAT = 1;

/** A metric as the recipe asks for it; the same name and options give the same value from the same rows. */
const metricRequest = z.object({
  name: z.enum(METRIC_NAMES as [MetricName, ...MetricName[]]),
  options: z.record(z.string(), z.unknown()),
});

const hashed = z.object({ path: z.string(), sha256: z.string() });

/** What was asked of the model. */
const task = z.object({
  kind: z.enum(['classification', 'generation', 'perplexity']),
  /** The likeliest label by log-probability, a generated answer, or the log-probabilities of the reference. */
  predict: z.enum(['logprob', 'generate', 'reference']),
  /** The declared label set of a classification, in its order; empty otherwise. */
  labels: z.array(z.string()),
});

export const evaluationSchema = z.object({
  format: z.literal(EVALUATION_FORMAT),
  /** A name for people: the recipe's, or the model's. */
  name: z.string(),
  /** SHA-256 over all that the answers depend on: model, rows, prompts, generation. */
  answersSha256: z.string(),
  task,
  model: z.object({
    /** Folder, hub id, GGUF file, or the model's name at an endpoint. */
    path: z.string(),
    /** SHA-256 over the files of the base; null for an endpoint, which shows no files. */
    sha256: z.string().nullable(),
    endpoint: z.string().nullable(),
    adapters: z.array(hashed),
    parameters: z.number().nullable(),
    /** On the disk, base and adapters. */
    bytes: z.number().nullable(),
  }),
  data: z.object({
    files: z.array(hashed),
    rows: z.number(),
    /** SHA-256 over the ids of the rows in their order: evaluations with the same one can be paired row by row. */
    rowIdsSha256: z.string(),
    /** SHA-256 over the ids, prompts, references and labels: the same questions with the same right answers. */
    contentSha256: z.string(),
    /** Rows whose prompt the model was trained on; null where its training data is not known. */
    overlap: z.number().nullable(),
    /** Rows of the files that could not be used. */
    dropped: z.number(),
  }),
  metrics: z.array(metricRequest),
  business: hashed.nullable(),
  /** Fields that rows are sliced by. */
  slices: z.array(z.string()),
  intervals: z.object({
    level: z.number(),
    resamples: z.number(),
    seed: z.union([z.number(), z.string()]),
    method: z.enum(['percentile', 'bca']),
  }),
  seed: z.number(),
  /** Every key of the command that was given, with its value. */
  config: z.record(z.string(), z.unknown()),
  versions: z.record(z.string(), z.string()),
  machine: z.object({
    system: z.string(),
    processor: z.string(),
    threads: z.number(),
    memoryBytes: z.number(),
  }),
  /** ISO 8601, UTC. */
  startedAt: z.string(),
  /** Null until the scorecard is written. */
  finishedAt: z.string().nullable(),
  /** Null until the run has stopped. Latencies have intervals and are metrics of the scorecard. */
  cost: z
    .object({
      /** Time spent answering, over all runs that the evaluation took. */
      seconds: z.number(),
      promptTokens: z.number(),
      newTokens: z.number(),
      /** Largest resident memory of the process that answered; null for an endpoint. */
      peakMemoryBytes: z.number().nullable(),
    })
    .nullable(),
});

export type EvaluationRecord = z.infer<typeof evaluationSchema>;
export type MetricRequest = z.infer<typeof metricRequest>;

/** The least that a line of predictions.jsonl must have; the rest of PredictionRow is optional there. */
export const predictionSchema = z.looseObject({
  id: z.string(),
  prompt: z.string(),
  prediction: z.string(),
  references: z.array(z.string()),
});

/** A row as it is stored: with the tokens it took, so that costs can be added up again after a resume. */
export interface StoredPrediction extends PredictionRow {
  promptTokens: number;
  newTokens: number;
}

export interface ScoredMetric {
  request: MetricRequest;
  direction: MetricDirection;
  /** For comparison with other tools' reports: it must not decide anything. */
  comparisonOnly: boolean;
  /**
   * Several where the metric has parts (one per label). `perItem` follows the order of predictions.jsonl. Metrics of
   * latency are over the rows with `timings` only.
   */
  values: MetricValue[];
}

export interface ScoredBusiness {
  path: string;
  scores: {
    value: MetricValue;
    /** The sum over the rows; null where there is no value. */
    total: { value: number; low: number; high: number } | null;
    direction: MetricDirection;
  }[];
  /** Rows on which a function failed; each is a line of failures.jsonl. */
  failures: number;
}

/** The values over the rows of one slice, without `perItem`. */
export interface ScoredSlice {
  slice: string;
  value: string;
  rows: number;
  metrics: ScoredMetric[];
  business: ScoredBusiness['scores'];
}

export interface Scorecard {
  format: typeof EVALUATION_FORMAT;
  rows: number;
  /** Rows without an answer. They are scored as '' and counted as invalid. */
  failedRows: number;
  metrics: ScoredMetric[];
  business: ScoredBusiness | null;
  slices: ScoredSlice[];
  /** What a comparison on these rows could see, told before the run. Null where no metric is a share. */
  detectable: { alpha: number; power: number; discordant: number; delta: number | null } | null;
}

/** A line of failures.jsonl. */
export interface RowFailure {
  row: string;
  /** Answering the row, or a business metric. */
  step: 'answer' | 'business';
  metric?: string;
  message: string;
}
