// In: nothing. Out: the shape of one decoder layer: what the graph builders need to know and what makes two layers equal.
// Facts, not architectures. Input names are Hugging Face's module names below `model.layers.N.`.

export interface LoraSpec {
  rank: number;
  scale: number;
  dropout: boolean;
  /** Weight-decomposed (DoRA): a trained magnitude per output, over the norm of the adapted weight. */
  dora?: boolean;
}

export interface ProjectionSpec {
  inFeatures: number;
  outFeatures: number;
  /** How the frozen weight rests in memory; a trained weight is f32. */
  dtype: 'f32' | 'f16';
  bias: boolean;
  lora: LoraSpec | null;
}

/** Names of the layer's RMS norms. Those after a block act on its output, before it joins the residual stream. */
export interface LayerNorms {
  beforeAttention: string;
  afterAttention: string | null;
  beforeMlp: string;
  afterMlp: string | null;
}

export interface LayerSpec {
  hidden: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  rmsNormEps: number;
  norms: LayerNorms;
  /** RMS norms, those of q and k too, multiply by `normOffset` + weight. */
  normOffset: 0 | 1;
  /** RMS norm on each head of q and k before rope. */
  qkNorm: boolean;
  /** What multiplies q · k; 1 / sqrt(headDim) as a rule. */
  scoreScale: number;
  /** Scores are bent to cap * tanh(score / cap) before the mask. */
  scoreCap: number | null;
  /** How many values of each head rope turns, from the first on. */
  rotaryDim: number;
  /** Rope turns pairs (2i, 2i + 1), not (i, i + rotaryDim / 2). */
  ropeInterleaved: boolean;
  /** Of the gated MLP: down(activation(gate x) * up x). */
  activation: 'silu' | 'gelu_tanh';
  /** With experts in place of the MLP: the graph then ends at their router, and experts are graphs of their own (expert.ts). */
  router?: RouterSpec | null;
  /**
   * By module name, in the order of use: q_proj, k_proj, v_proj (or qkv_proj, their rows one after the other) and o_proj
   * below `self_attn`; gate_proj, up_proj (or gate_up_proj) and down_proj below `mlp`,
   * or the router.
   */
  projections: Readonly<Record<string, ProjectionSpec>>;
}

export interface RouterSpec {
  /** Its projection, hidden -> one logit per expert. */
  name: string;
  /** Experts that a token goes to, and their intermediate size. */
  active: number;
  width: number;
}

/** Names of the layer's own parameters (not of LoRA), with their shapes. */
export function layerParameters(spec: LayerSpec): Map<string, number[]> {
  const { beforeAttention, beforeMlp, afterAttention, afterMlp } = spec.norms;
  const shapes = new Map<string, number[]>();
  for (const norm of [beforeAttention, beforeMlp, afterAttention, afterMlp])
    if (norm) shapes.set(`${norm}.weight`, [spec.hidden]);
  for (const [name, shape] of projectionParameters(spec)) shapes.set(name, shape);
  if (spec.qkNorm) {
    shapes.set('self_attn.q_norm.weight', [spec.headDim]);
    shapes.set('self_attn.k_norm.weight', [spec.headDim]);
  }
  return shapes;
}

/** Weights and biases of projections, with their shapes. */
export function projectionParameters(spec: Pick<LayerSpec, 'projections'>): Map<string, number[]> {
  const shapes = new Map<string, number[]>();
  for (const [name, { inFeatures, outFeatures, bias }] of Object.entries(spec.projections)) {
    shapes.set(`${name}.weight`, [outFeatures, inFeatures]);
    if (bias) shapes.set(`${name}.bias`, [outFeatures]);
  }
  return shapes;
}

/** Names of the layer's LoRA parameters, with their shapes. */
export function loraParameters(spec: Pick<LayerSpec, 'projections'>): Map<string, number[]> {
  const shapes = new Map<string, number[]>();
  for (const [name, { inFeatures, outFeatures, lora }] of Object.entries(spec.projections)) {
    if (!lora) continue;
    shapes.set(`${name}.lora_A.weight`, [lora.rank, inFeatures]);
    shapes.set(`${name}.lora_B.weight`, [outFeatures, lora.rank]);
    if (lora.dora) shapes.set(`${name}.lora_magnitude_vector`, [outFeatures]);
  }
  return shapes;
}
