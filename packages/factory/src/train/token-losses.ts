// In: a decoder and a batch. Out: the losses of its label tokens and their gradient by the hidden rows. Every loss is
// cross-entropy with a weight per token that has no gradient of its own; ASFT adds the distance from the model without its
// adapter. Steps, batches and means are train-step.ts's.
import { FactoryError } from '#factory/errors.ts';
import type { Decoder } from '#factory/model/decoder.ts';
import type { PackedBatch } from '#factory/model/packed-batch.ts';

/** What a loss needs of a decoder. */
type Speaker = Pick<Decoder, 'head' | 'forward' | 'isAdapted'>;

/**
 * Called before the forward pass of a batch. What it returns takes the hidden rows h [M, hidden], writes the gradient of
 * scale × Σ losses to dh, and gives the loss of each label token in nats.
 */
export type TokenLoss = (
  decoder: Speaker,
  batch: PackedBatch,
) => Promise<(h: Float32Array, dh: Float32Array, scale: number) => Promise<Float64Array>>;

export const crossEntropy: TokenLoss =
  async (decoder, { targets }) =>
  async (h, dh, scale) => {
    const weights = new Float32Array(targets.length).fill(scale);
    return (await decoder.head.differentiate(h, targets, weights, dh)).nll;
  };

/** DFT (Wu et al. 2025): weighted by the label's probability. */
export const dynamicFineTuning: TokenLoss =
  async (decoder, { targets }) =>
  async (h, dh, scale) => {
    const weights = (nll: Float64Array) => Float32Array.from(nll, (x) => scale * Math.exp(-x));
    const { nll } = await decoder.head.differentiate(h, targets, weights, dh);
    return nll.map((x) => x * Math.exp(-x));
  };

const TOP = 20;
/** About the entropy of 20 equally likely tokens, ln 20 = 3.0, so that weights lie between 0 and 1. */
const FULL_ENTROPY = 3;

/** EAFT: weighted by (entropy of the 20 likeliest tokens among themselves / 3) ^ alpha. */
export function entropyAdaptive(alpha: number): TokenLoss {
  return async (decoder, { targets }) =>
    async (h, dh, scale) => {
      const tops = await decoder.head.topLogits(h, TOP);
      const shares = tops.map((logits) => (entropy(logits) / FULL_ENTROPY) ** alpha);
      const weights = Float32Array.from(shares, (share) => scale * share);
      const { nll } = await decoder.head.differentiate(h, targets, weights, dh);
      return nll.map((x, i) => x * shares[i]);
    };
}

/** Of the softmax over `logits`, in nats. */
function entropy(logits: Float32Array): number {
  const max = logits.reduce((a, b) => Math.max(a, b));
  let [sum, weighted] = [0, 0];
  for (const logit of logits) {
    const e = Math.exp(logit - max);
    sum += e;
    weighted += e * (logit - max);
  }
  return Math.max(0, Math.log(sum) - weighted / sum);
}

/**
 * ASFT: DFT plus alpha × KL(reference ‖ policy), where the reference is the model with its adapter off. With the same frozen
 * output matrix W on both sides the gradient of KL by h is Σ p W − Σ q W, and KL itself follows from Σ q W and the two
 * normalisers, so that logits for the whole vocabulary never exist at once.
 */
export function anchoredFineTuning(alpha: number): TokenLoss {
  return async (decoder, batch) => {
    const { targets } = batch;
    if (!decoder.isAdapted || decoder.head.isCapped) throw noReference();
    const anchor = await decoder.forward(batch, 'off');
    const reference = await decoder.head.expectedRows(anchor);
    return async (h, dh, scale) => {
      // p̂ (Σ p W − W_label) + α (Σ p W − Σ q W) = (p̂ + α) (Σ p W − W_label) + α (W_label − Σ q W)
      const weights = (nll: Float64Array) => Float32Array.from(nll, (x) => scale * (Math.exp(-x) + alpha));
      const { nll } = await decoder.head.differentiate(h, targets, weights, dh);
      const labels = decoder.head.rowsAt(targets);
      const width = h.length / targets.length;
      return nll.map((x, i) => {
        let [between, label] = [0, 0];
        for (let j = i * width; j < (i + 1) * width; j++) {
          between += (anchor[j] - h[j]) * reference.mean[j];
          label += h[j] * labels[j];
          dh[j] += scale * alpha * (labels[j] - reference.mean[j]);
        }
        const kl = between - reference.lse[i] + (x + label);
        return x * Math.exp(-x) + alpha * kl;
      });
    };
  };
}

function noReference(): FactoryError {
  return new FactoryError({
    code: 'ARGS_CONFLICT',
    message:
      'use_asft_loss needs a model whose training is all in an adapter, and an output layer without a cap on its logits',
    remedy: 'Use use_dft_loss for this model, or train an adapter alone.',
  });
}
