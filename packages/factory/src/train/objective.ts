// In: nothing. Out: what an objective is: how a row becomes sequences, and how the model's log-probabilities of them (or
// scores) become a loss and its gradient. Models, batches and optimisers are not here.
import type { EncodedExample } from '#factory/records/encoded.ts';

/** As LLaMA-Factory: weights of additional terms that are smaller are taken for none. */
export const NEGLIGIBLE = 1e-6;

/** Means to be logged: sum and weight by name, so that micro batches and steps can be added up. */
export type Metrics = Record<string, { sum: number; weight: number }>;

/** What the model says of one row: one array per sequence, in the order of `sequences` and `aside`. */
export interface Reading {
  /** [label tokens] log-probabilities in nats of a sequence's labels, or [1] its score. */
  sequences: readonly Float64Array[];
  /** [label tokens] log-probabilities of the sequences that have no gradient. */
  aside: readonly Float64Array[];
  /** [label tokens] the value head's number where each label is chosen; of objectives that read values only. */
  values?: readonly Float64Array[];
}

export interface Judgement {
  /** Σ over rows of size × loss. */
  sum: number;
  /** d(sum) / d(reading): per row and sequence an array as long as the reading. */
  gradients: readonly (readonly ArrayLike<number>[])[];
  /** The same by the values. */
  valueGradients?: readonly (readonly ArrayLike<number>[])[];
  metrics: Metrics;
}

/** Numbers that an objective carries from step to step (a running mean, an adaptive coefficient). Saved with the run. */
export type Memory = Record<string, number>;

/**
 * A loss over whole rows. The loss of a step is Σ sum / Σ size over its micro batches. A policy gradient is one too: its row
 * holds advantages, and the gradient by each token's log-probability is −advantage × ratio.
 */
export interface Objective<Row> {
  /**
   * Log-probabilities of the label tokens, the same with the value head's numbers, or its score at the last token of a
   * sequence.
   */
  readonly reads: 'log-probs' | 'log-probs and values' | 'scores';
  /** What logits are divided by before they become probabilities; 1 where it is not said. */
  readonly temperature?: number;
  /** The sequences of a row that are learned from. */
  sequences(row: Row): readonly EncodedExample[];
  /** Sequences that are only looked at (KTO's mismatched answers). */
  aside?(row: Row): readonly EncodedExample[];
  /** What the row weighs in the mean: 1, or its label tokens. */
  size(row: Row): number;
  /** `rows` are one micro batch. Changes to `memory` stay. */
  judge(rows: readonly Row[], readings: readonly Reading[], memory: Memory): Judgement;
}

export function addMetrics(total: Metrics, part: Metrics): void {
  for (const [name, { sum, weight }] of Object.entries(part)) {
    total[name] ??= { sum: 0, weight: 0 };
    total[name].sum += sum;
    total[name].weight += weight;
  }
}

/** The means by name; the margin follows from the means of the two sides, whose numbers of rows may differ (KTO). */
export function meansOf(metrics: Metrics): Record<string, number> {
  const means: Record<string, number> = {};
  for (const [name, { sum, weight }] of Object.entries(metrics)) if (weight > 0) means[name] = sum / weight;
  const [chosen, rejected] = [means['rewards/chosen'], means['rewards/rejected']];
  if (chosen !== undefined && rejected !== undefined) means['rewards/margins'] = chosen - rejected;
  return means;
}

/** log(sigmoid(x)) without overflow. */
export function logSigmoid(x: number): number {
  return x < 0 ? x - Math.log1p(Math.exp(x)) : -Math.log1p(Math.exp(-x));
}

export function sigmoid(x: number): number {
  return x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x));
}

export function sumOf(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i];
  return sum;
}
