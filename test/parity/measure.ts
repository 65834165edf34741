// In: a decoder and rows. Out: the figures that the references hold: logits, losses, gradients and training curves; and how
// far two arrays are apart.
import { adamwRule, clipCoefficient, globalNorm, Optimizer } from '@tunesmith/engine';
import type { Decoder } from '../../packages/factory/src/model/decoder.ts';
import { packBatch } from '../../packages/factory/src/model/packed-batch.ts';
import type { EncodedExample } from '../../packages/factory/src/records/encoded.ts';
import { type StepOptions, trainStep } from '../../packages/factory/src/train/train-step.ts';

/** Room for the residuals of every layer, or of none. */
export const RESIDUALS = { save: 2 ** 40, recompute: 0 } as const;
type Residuals = keyof typeof RESIDUALS;

/** ‖ours − theirs‖ / ‖theirs‖, infinite where lengths differ or a value is NaN. */
export function apart(ours: ArrayLike<number>, theirs: ArrayLike<number>): number {
  if (ours.length !== theirs.length) return Number.POSITIVE_INFINITY;
  let difference = 0;
  let size = 0;
  for (let i = 0; i < theirs.length; i++) {
    difference += (ours[i] - theirs[i]) ** 2;
    size += theirs[i] ** 2;
  }
  const error = difference === 0 ? 0 : Math.sqrt(difference / size);
  return Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
}

/** The largest `apart` of numbers taken one by one. */
export function worstApart(ours: readonly number[], theirs: readonly number[]): number {
  if (ours.length !== theirs.length) return Number.POSITIVE_INFINITY;
  return Math.max(...theirs.map((value, i) => apart([ours[i]], [value])));
}

/** Logits [row][position][vocab] at every position of each row. */
export async function allLogits(decoder: Decoder, rows: readonly (readonly number[])[]) {
  const batch = packBatch(unlabelled(rows));
  const labelIndex = Int32Array.from(batch.ids.keys());
  const h = await decoder.forward({ ...batch, labelIndex });
  const { vocabSize } = decoder.config;
  const logits = await decoder.head.logits(h, labelIndex.length);
  let at = 0;
  return rows.map((row) => row.map(() => logits.slice(at * vocabSize, ++at * vocabSize)));
}

/** −log p of every token of each row but the first, [row][length − 1]. */
export async function tokenLosses(decoder: Decoder, rows: readonly (readonly number[])[]) {
  const batch = packBatch(
    rows.map((ids) => ({ inputIds: Int32Array.from(ids), labels: Int32Array.from(ids) })),
  );
  const { nll } = await decoder.head.evaluate(await decoder.forward(batch), batch.targets, false);
  return rows.map((_, row) => [...nll.subarray(batch.labelStart[row], batch.labelStart[row + 1])]);
}

function unlabelled(rows: readonly (readonly number[])[]): EncodedExample[] {
  return rows.map((ids) => ({
    inputIds: Int32Array.from(ids),
    labels: new Int32Array(ids.length).fill(-100),
  }));
}

/** Loss and a copy of every gradient by parameter name. */
export async function gradientsOf(
  decoder: Decoder,
  microBatches: readonly (readonly EncodedExample[])[],
  residuals: Residuals,
  balanceWeight = 0,
) {
  const options = { residualBytes: RESIDUALS[residuals], dropoutKey: 'parity', balanceWeight };
  const { loss } = await trainStep(decoder, microBatches, options);
  return { loss, gradients: new Map(decoder.parameters.map((p) => [p.name, p.gradient.slice()])) };
}

export interface CurveOptions {
  steps: number;
  learningRate(step: number): number;
  weightDecay: number;
  /** Norms and biases are spared, as in Hugging Face's Trainer. */
  sparesNorms: boolean;
  /** 0 for none. */
  maxGradNorm: number;
}

/** Trains `steps` steps on one batch: losses before each step and after the last, and gradient norms before clipping. */
export function trainCurve(decoder: Decoder, examples: readonly EncodedExample[], options: CurveOptions) {
  return curveOf(decoder, (stepOptions) => trainStep(decoder, [examples], stepOptions), options);
}

/** The same for any step that leaves its gradients in the decoder's parameters, with what else each step said. */
export async function curveOf<Step extends { loss: number }>(
  decoder: Decoder,
  stepOf: (options: StepOptions) => Promise<Step>,
  { steps, learningRate, weightDecay, sparesNorms, maxGradNorm }: CurveOptions,
) {
  const rule = adamwRule({ beta1: 0.9, beta2: 0.999, eps: 1e-8 });
  const spared = new Set(decoder.parameters.filter((p) => sparesNorms && !p.decay).map((p) => p.name));
  const optimizer = new Optimizer(decoder.parameters, ({ name }) => ({
    rule,
    lrScale: 1,
    weightDecay: spared.has(name) ? 0 : weightDecay,
  }));
  const each: Step[] = [];
  const gradNorm: number[] = [];
  for (let step = 0; ; step++) {
    each.push(await stepOf({ residualBytes: RESIDUALS.save, dropoutKey: `${step}` }));
    if (step === steps) return { loss: each.map(({ loss }) => loss), gradNorm, each };
    const norm = globalNorm(decoder.parameters.map((p) => p.gradient));
    gradNorm.push(norm);
    const gradScale = maxGradNorm > 0 ? clipCoefficient(norm, maxGradNorm) : 1;
    await optimizer.step({ learningRate: learningRate(step), step: step + 1, gradScale });
    decoder.parametersChanged();
  }
}
