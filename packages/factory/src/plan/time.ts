// In: what a step holds and how fast this machine was in a short probe. Out: seconds per step. The probe itself is
// train/probe.ts.
import type { BatchSize, StepFacts } from '#factory/records/memory-facts.ts';
import type { ProbeResult } from '#factory/records/plan.ts';

export interface TimeChoice {
  savedLayers: number;
  trainedLayers: number;
  bits: number | null;
  stream: boolean;
  /** Weights of the layers are trained: their gradients are one more product. */
  trainsWeights: boolean;
  trainsHead: boolean;
  /** Bytes of the layers' files, and how fast they are read. */
  readBytesPerSecond: number;
}

/** One micro batch: layers as probed, in proportion to their tokens; the head at the rate of plain products. */
export function secondsPerBatch(
  facts: StepFacts,
  batch: Pick<BatchSize, 'tokens' | 'labels'>,
  probe: ProbeResult,
  choice: TimeChoice,
): number {
  const layers = facts.layers.length;
  const share = batch.tokens / probe.tokens;
  const { savedLayers, trainedLayers } = choice;
  const recomputed = trainedLayers - savedLayers;
  const inLayers = facts.weights.layerParameters / layers;
  const weightGradients = choice.trainsWeights
    ? (trainedLayers * 2 * inLayers * batch.tokens) / probe.sgemmFlops
    : 0;
  const pass =
    share *
    (layers * probe.forwardSeconds +
      trainedLayers * probe.backwardSeconds +
      recomputed * probe.forwardSeconds);
  const head = ((choice.trainsHead ? 8 : 4) * facts.weights.headParameters * batch.labels) / probe.sgemmFlops;
  const passes = layers + trainedLayers;
  const unpack = choice.bits === null ? 0 : passes * inLayers * probe.unpackSeconds;
  // Reading goes on beside computing: the slower of the two counts.
  const read = choice.stream ? (passes * 2 * inLayers) / choice.readBytesPerSecond : 0;
  return Math.max(pass + weightGradients, read) + head + unpack;
}
