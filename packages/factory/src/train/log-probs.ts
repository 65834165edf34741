// In: a decoder and labelled sequences. Out: the log-probability of every label token, without gradients: of the model as
// it is, or of its base with the adapter off (the reference of preference losses and of KL terms); and scores of rewards.
import { FactoryError } from '#factory/errors.ts';
import type { Decoder } from '#factory/model/decoder.ts';
import { type PackedBatch, packBatch } from '#factory/model/packed-batch.ts';
import type { ValueHead } from '#factory/model/value-head.ts';
import type { EncodedExample } from '#factory/records/encoded.ts';

/** [sequences][label tokens], in nats. All sequences run as one batch. */
export async function readLogProbs(
  decoder: Decoder,
  sequences: readonly EncodedExample[],
  adapter: 'on' | 'off' = 'on',
  temperature = 1,
): Promise<Float64Array[]> {
  if (sequences.length === 0) return [];
  const batch = packBatch(sequences);
  const h = tempered(decoder, await decoder.forward(batch, adapter), temperature);
  const { nll } = await decoder.head.evaluate(h, batch.targets, false);
  return splitLabels(batch, negated(nll));
}

/** As `readLogProbs`, with the value head's number at the position where each label is chosen. */
export async function readLogProbsAndValues(
  decoder: Decoder,
  sequences: readonly EncodedExample[],
): Promise<{ logProbs: Float64Array[]; values: Float64Array[] }> {
  const batch = packBatch(sequences);
  const h = await decoder.forward(batch);
  const { nll } = await decoder.head.evaluate(h, batch.targets, false);
  return {
    logProbs: splitLabels(batch, negated(nll)),
    values: splitLabels(batch, valueHeadOf(decoder).scores(h)),
  };
}

/** Hidden rows whose logits are divided by the temperature; a cap on logits would come between. */
export function tempered(
  { head }: Pick<Decoder, 'head'>,
  h: Float32Array,
  temperature: number,
): Float32Array {
  if (temperature === 1) return h;
  if (head.isCapped)
    throw new FactoryError({
      code: 'ARGS_CONFLICT',
      message: `the logits of this model have a cap, so its probabilities at temperature ${temperature} cannot be learned from`,
      remedy: 'Set temperature to 1.',
    });
  return h.map((x) => x / temperature);
}

/** Ranges of sequences that run together, of about `tokens` ids with padding; they follow from the lengths alone. */
export function chunksOf(
  sequences: readonly { inputIds: ArrayLike<number> }[],
  tokens: number,
): [from: number, to: number][] {
  const chunks: [number, number][] = [];
  let [from, width] = [0, 0];
  for (const [i, { inputIds }] of sequences.entries()) {
    const wider = Math.max(width, inputIds.length);
    if (i > from && wider * (i - from + 1) > tokens) {
      chunks.push([from, i]);
      [from, width] = [i, inputIds.length];
    } else width = wider;
  }
  if (from < sequences.length) chunks.push([from, sequences.length]);
  return chunks;
}

/** Values of label tokens, end to end, by sequence. */
export function splitLabels({ rows, labelStart }: PackedBatch, values: Float64Array): Float64Array[] {
  return Array.from({ length: rows }, (_, i) => values.subarray(labelStart[i], labelStart[i + 1]));
}

/** The value head's score of each sequence, read at its last token. All sequences run as one batch. */
export async function readScores(
  decoder: Decoder,
  sequences: readonly EncodedExample[],
): Promise<Float64Array> {
  const head = valueHeadOf(decoder);
  return head.scores(await decoder.forward(lastTokens(packBatch(sequences), sequences)));
}

/** The same batch, read at the last token of each sequence. */
export function lastTokens(batch: PackedBatch, sequences: readonly { inputIds: Int32Array }[]): PackedBatch {
  let end = 0;
  const labelIndex = Int32Array.from(sequences, ({ inputIds }) => {
    end += inputIds.length;
    return end - 1;
  });
  const labelStart = Int32Array.from({ length: sequences.length + 1 }, (_, i) => i);
  return { ...batch, labelIndex, labelStart, targets: new Int32Array(sequences.length) };
}

export function valueHeadOf({ valueHead }: Decoder): ValueHead {
  if (valueHead) return valueHead;
  throw new FactoryError({
    code: 'MODEL_BAD_FILE',
    message: 'scores are asked for, but the model has no value head',
    remedy: 'Give a model or an adapter that was trained with stage rm and has a value_head.safetensors.',
  });
}

export const negated = (values: Float64Array) => values.map((value) => -value);
