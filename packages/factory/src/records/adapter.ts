// In: nothing. Out: a LoRA adapter in memory. adapters/ reads and writes it as a PEFT folder.

export interface LoraPair {
  /** Module path in the base model, such as `model.layers.0.self_attn.q_proj`. */
  module: string;
  inFeatures: number;
  outFeatures: number;
  rank: number;
  /** [rank, in], row-major. */
  a: Float32Array;
  /** [out, rank], row-major. */
  b: Float32Array;
  /** [out], with DoRA: the norms that the rows of W + s B A are brought to. */
  magnitude?: Float32Array;
}

/** A tensor of the base that an adapter brings in full, as PEFT's modules_to_save. */
export interface WholeTensor {
  /** In the base, such as `model.embed_tokens.weight`. */
  name: string;
  shape: number[];
  data: Float32Array;
}

export interface LoraAdapter {
  rank: number;
  alpha: number;
  dropout: number;
  useRslora: boolean;
  /** Last name components, such as `q_proj`; sorted. */
  targetModules: string[];
  baseModel: string;
  pairs: LoraPair[];
  /** Weights are decomposed into magnitude and direction (DoRA); every pair then has a magnitude. */
  useDora?: boolean;
  /** PEFT's name of a start that changes the base: `pissa`, or `pissa_niter_<n>`. The pairs then belong to the changed base. */
  start?: string | null;
  /** With LoftQ of more than one iteration: how many. The pairs then belong to what they left of the base in 4 bits. */
  loftqIterations?: number;
  /** Names of modules that are saved whole, as the user gave them, and their tensors. */
  modulesToSave?: string[];
  whole?: WholeTensor[];
}
