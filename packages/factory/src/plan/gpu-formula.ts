// In: the sizes of a model and a method. Out: the memory of the same training with PyTorch on one GPU, by the usual
// formula: bf16 base, float32 adapters, AdamW, gradient checkpointing, 1 GB of context. For comparison only; nothing here
// says what Tunesmith takes.
import type { ModelConfig } from '#factory/records/model-config.ts';

export type GpuMethod = 'full' | 'lora' | 'qlora-8' | 'qlora-4';

type Sizes = Pick<
  ModelConfig,
  'vocabSize' | 'hiddenSize' | 'intermediateSize' | 'layers' | 'kvHeads' | 'headDim'
>;

const CONTEXT_BYTES = 1e9;

/** `parameters` of the base, those of its decoder layers, and those that are trained. */
export function gpuMemory(
  sizes: Sizes,
  method: GpuMethod,
  counts: { parameters: number; layerParameters: number; trained: number },
  { rows, width }: { rows: number; width: number },
): number {
  const { parameters: p, layerParameters: inLayers, trained: t } = counts;
  const outside = 2 * (p - inLayers);
  // Values, gradients and two moments of trained parameters in float32, and their copies in 16 bits.
  const adapters = 16 * t + 2 * t;
  const states = {
    full: 18 * p,
    lora: 2 * p + adapters,
    'qlora-8': outside + inLayers + adapters,
    // 4 bits, a scale of 8 bits per 64 values, and one of 32 bits per 256 of those.
    'qlora-4': outside + (0.5 + 1 / 64 + 4 / (64 * 256)) * inLayers + adapters,
  }[method];
  const tokens = rows * width;
  const kv = sizes.kvHeads * sizes.headDim;
  const checkpoints = 2 * tokens * sizes.hiddenSize * sizes.layers;
  const oneLayer = tokens * (16 * sizes.hiddenSize + 4 * kv + 8 * sizes.intermediateSize);
  const logits = 10 * tokens * sizes.vocabSize;
  return states + checkpoints + oneLayer + logits + CONTEXT_BYTES;
}
