// In: a decoder and encoded rows. Out: mean loss per label token and, on request, next-token accuracy. Generation metrics
// are not here.

import type { Decoder } from '#factory/model/decoder.ts';
import { packBatch } from '#factory/model/packed-batch.ts';
import type { EncodedExample } from '#factory/records/encoded.ts';

export interface Evaluation {
  /** Mean negative log-likelihood over all label tokens, in nats. */
  loss: number;
  /** Mean over rows of the share of label tokens that the model ranks first (LLaMA-Factory's compute_accuracy), or null. */
  accuracy: number | null;
  rows: number;
}

export interface EvaluationOptions {
  batchSize: number;
  wantAccuracy: boolean;
  signal?: AbortSignal;
  onProgress?(done: number, total: number): void;
}

export async function evaluateRows(
  decoder: Decoder,
  examples: readonly EncodedExample[],
  { batchSize, wantAccuracy, signal, onProgress }: EvaluationOptions,
): Promise<Evaluation> {
  // Sorted by length, so that rows of a batch fit each other; sums do not depend on the order.
  const order = [...examples].sort((a, b) => b.inputIds.length - a.inputIds.length);
  let nllSum = 0;
  let labels = 0;
  let accuracySum = 0;
  let accuracyRows = 0;
  for (let at = 0; at < order.length; at += batchSize) {
    signal?.throwIfAborted();
    const batch = packBatch(order.slice(at, at + batchSize));
    const h = await decoder.forward(batch);
    const { nll, hits } = await decoder.head.evaluate(h, batch.targets, wantAccuracy);
    for (const value of nll) nllSum += value;
    labels += nll.length;
    for (let row = 0; hits && row + 1 < batch.labelStart.length; row++) {
      const [from, to] = [batch.labelStart[row], batch.labelStart[row + 1]];
      if (to === from) continue;
      accuracySum += hits.subarray(from, to).reduce((a, b) => a + b, 0) / (to - from);
      accuracyRows++;
    }
    onProgress?.(Math.min(at + batchSize, order.length), order.length);
  }
  return {
    loss: labels > 0 ? nllSum / labels : Number.NaN,
    accuracy: wantAccuracy ? accuracySum / Math.max(1, accuracyRows) : null,
    rows: examples.length,
  };
}

/** One evaluation set as Hugging Face's metrics: `eval_loss`, or `eval_<name>_loss` where sets have names, and its times. */
export async function evaluationMetrics(
  decoder: Decoder,
  { name, rows }: { name: string; rows: readonly EncodedExample[] },
  options: EvaluationOptions & { clock(): number },
): Promise<Record<string, number>> {
  const begun = options.clock();
  const { loss, accuracy } = await evaluateRows(decoder, rows, options);
  const values = { loss, ...(accuracy === null ? {} : { accuracy }) };
  return setMetrics(name, values, {
    rows: rows.length,
    batchSize: options.batchSize,
    seconds: (options.clock() - begun) / 1000,
  });
}

/** Values of one evaluation set and its times, under Hugging Face's names. */
export function setMetrics(
  name: string,
  values: Readonly<Record<string, number>>,
  { rows, batchSize, seconds }: { rows: number; batchSize: number; seconds: number },
): Record<string, number> {
  const perSecond = (count: number) => count / Math.max(seconds, 1e-9);
  const all = {
    ...values,
    runtime: seconds,
    samples_per_second: perSecond(rows),
    steps_per_second: perSecond(Math.ceil(rows / batchSize)),
  };
  const prefix = name ? `eval_${name}_` : 'eval_';
  return Object.fromEntries(Object.entries(all).map(([metric, value]) => [prefix + metric, value]));
}
