// In: nothing. Out: the shape of one decoder layer: what the graph builders need to know and what makes two layers equal.
// Input names are Hugging Face's module names below `model.layers.N.`.

export const PROJECTIONS = [
  'self_attn.q_proj',
  'self_attn.k_proj',
  'self_attn.v_proj',
  'self_attn.o_proj',
  'mlp.gate_proj',
  'mlp.up_proj',
  'mlp.down_proj',
] as const;
export type ProjectionName = (typeof PROJECTIONS)[number];

export interface LoraSpec {
  rank: number;
  scale: number;
  dropout: boolean;
}

export interface ProjectionSpec {
  inFeatures: number;
  outFeatures: number;
  /** How the frozen weight rests in memory; a trained weight is f32. */
  dtype: 'f32' | 'f16';
  bias: boolean;
  lora: LoraSpec | null;
}

export interface LayerSpec {
  hidden: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  rmsNormEps: number;
  /** RMS norm on each head of q and k before rope (Qwen3). */
  qkNorm: boolean;
  projections: Record<ProjectionName, ProjectionSpec>;
}

/** Names of the layer's own parameters (not of LoRA), with their shapes. */
export function layerParameters(spec: LayerSpec): Map<string, number[]> {
  const shapes = new Map<string, number[]>([
    ['input_layernorm.weight', [spec.hidden]],
    ['post_attention_layernorm.weight', [spec.hidden]],
  ]);
  for (const name of PROJECTIONS) {
    const { inFeatures, outFeatures, bias } = spec.projections[name];
    shapes.set(`${name}.weight`, [outFeatures, inFeatures]);
    if (bias) shapes.set(`${name}.bias`, [outFeatures]);
  }
  if (spec.qkNorm) {
    shapes.set('self_attn.q_norm.weight', [spec.headDim]);
    shapes.set('self_attn.k_norm.weight', [spec.headDim]);
  }
  return shapes;
}

/** Names of the layer's LoRA parameters, with their shapes. */
export function loraParameters(spec: LayerSpec): Map<string, number[]> {
  const shapes = new Map<string, number[]>();
  for (const name of PROJECTIONS) {
    const { inFeatures, outFeatures, lora } = spec.projections[name];
    if (!lora) continue;
    shapes.set(`${name}.lora_A.weight`, [lora.rank, inFeatures]);
    shapes.set(`${name}.lora_B.weight`, [outFeatures, lora.rank]);
  }
  return shapes;
}
