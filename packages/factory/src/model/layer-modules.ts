// In: a ModelConfig. Out: the linear modules of a decoder layer, with their sizes, by Hugging Face's names.
// The one place that knows which matrices a layer has; norms and the embedding are elsewhere.
import type { ModelConfig } from '#factory/records/model-config.ts';

export interface LinearModule {
  /** Below `model.layers.N.` */
  name: string;
  outFeatures: number;
  inFeatures: number;
  bias: boolean;
}

/** Of the attention block, in the order of use. */
export function attentionModules(config: ModelConfig): LinearModule[] {
  const { hiddenSize, headDim } = config;
  const q = config.heads * headDim;
  const kv = config.kvHeads * headDim;
  const from = (name: string, outFeatures: number): LinearModule => ({
    name: `self_attn.${name}`,
    outFeatures,
    inFeatures: hiddenSize,
    bias: config.qkvBias,
  });
  return [
    ...(config.fusedQkv
      ? [from('qkv_proj', q + 2 * kv)]
      : [from('q_proj', q), from('k_proj', kv), from('v_proj', kv)]),
    { name: 'self_attn.o_proj', outFeatures: hiddenSize, inFeatures: q, bias: config.outputBias },
  ];
}

/** Of the gated MLP, in the order of use. */
export function mlpModules(config: ModelConfig): LinearModule[] {
  const { hiddenSize, intermediateSize, mlpBias: bias } = config;
  const from = (name: string, outFeatures: number): LinearModule => ({
    name: `mlp.${name}`,
    outFeatures,
    inFeatures: hiddenSize,
    bias,
  });
  return [
    ...(config.fusedGateUp
      ? [from('gate_up_proj', 2 * intermediateSize)]
      : [from('gate_proj', intermediateSize), from('up_proj', intermediateSize)]),
    { name: 'mlp.down_proj', outFeatures: hiddenSize, inFeatures: intermediateSize, bias },
  ];
}
