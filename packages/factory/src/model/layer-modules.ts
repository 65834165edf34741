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

/** Of the gated MLP of layer `i`, in the order of use; with experts their router. */
export function mlpModules(config: ModelConfig, i: number): LinearModule[] {
  if (config.experts?.layers[i]) {
    const { names, count } = config.experts;
    return [{ name: names.router, outFeatures: count, inFeatures: config.hiddenSize, bias: false }];
  }
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

/** Of each expert of layer `i`: gate, up and down. None where the layer has no experts. */
export function expertModules(
  { experts, hiddenSize }: Pick<ModelConfig, 'experts' | 'hiddenSize'>,
  i: number,
): Record<'gate' | 'up' | 'down', LinearModule>[] {
  if (!experts?.layers[i]) return [];
  const { names, count, width } = experts;
  return Array.from({ length: count }, (_, e) => {
    const below = (name: string) => `${names.prefix}.${e}.${name}`;
    const into = { outFeatures: width, inFeatures: hiddenSize, bias: false };
    return {
      gate: { name: below(names.gate), ...into },
      up: { name: below(names.up), ...into },
      down: { name: below(names.down), outFeatures: hiddenSize, inFeatures: width, bias: false },
    };
  });
}

/** Whether a tensor is the weight of a router, which stays as it is when experts are quantised. */
export const isRouter = (tensor: string) => /\.(mlp|block_sparse_moe)\.gate\.weight$/.test(tensor);
