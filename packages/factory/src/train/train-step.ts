// In: micro batches of one optimiser step. Out: gradients summed into the decoder's parameters, and the step's loss. The
// loss is the mean over the label tokens of the whole accumulated batch, as in LLaMA-Factory and Hugging Face's Trainer.
// Losses of a token other than cross-entropy are in token-losses.ts.

import type { Decoder } from '#factory/model/decoder.ts';
import { roomBesideScratch } from '#factory/model/layer-spec-of.ts';
import { countLabels, packBatch } from '#factory/model/packed-batch.ts';
import type { EncodedExample } from '#factory/records/encoded.ts';
import type { Experience } from './experience.ts';
import type { Metrics } from './objective.ts';
import { crossEntropy, type TokenLoss } from './token-losses.ts';

export interface StepResult {
  /** Mean negative log-likelihood per label token, in nats (and the loss of the router, if any); or the objective's mean over rows. */
  loss: number;
  tokens: number;
  labelTokens: number;
  /** What an objective has to say besides its loss. */
  metrics?: Metrics;
}

export interface StepOptions {
  /** Room for the residuals of a micro batch and the scratch of one layer together. */
  residualBytes: number;
  /** Names the step, so that dropout masks can be made again: seed and step number. */
  dropoutKey: string;
  /** NEFTune's alpha; 0 or nothing for no noise on embeddings. */
  noiseAlpha?: number;
  /** Weight of the loss that keeps experts evenly used; each micro batch adds its own, as with transformers. */
  balanceWeight?: number;
  /** For tasks that learn from what they write themselves. */
  run?: { step: number; experience: Experience[] };
}

export async function trainStep(
  decoder: Decoder,
  microBatches: readonly (readonly EncodedExample[])[],
  { residualBytes, dropoutKey, noiseAlpha, balanceWeight }: StepOptions,
  tokenLoss: TokenLoss = crossEntropy,
): Promise<StepResult> {
  for (const { gradient } of decoder.parameters) gradient.fill(0);
  const labelTokens = microBatches.flat().reduce((n, e) => n + countLabels(e), 0);
  let total = 0;
  let tokens = 0;
  let balance = 0;
  for (const [i, examples] of microBatches.entries()) {
    const batch = packBatch(examples);
    tokens += batch.ids.length;
    if (batch.targets.length === 0) continue;
    const differentiate = await tokenLoss(decoder, batch);
    const { h, tape } = await decoder.forwardTraining(batch, {
      residualBytes: roomBesideScratch(residualBytes, decoder.layers[0].spec, batch),
      dropoutKey: `${dropoutKey}/${i}`,
      noiseAlpha,
      balanceWeight,
    });
    balance += tape.balance?.loss ?? 0;
    try {
      const dh = new Float32Array(h.length);
      for (const value of await differentiate(h, dh, 1 / labelTokens)) total += value;
      await decoder.backward(tape, dh, { hold: true });
    } finally {
      decoder.release(tape);
    }
  }
  await decoder.takeGradients();
  return { loss: (labelTokens > 0 ? total / labelTokens : 0) + balance, tokens, labelTokens };
}
