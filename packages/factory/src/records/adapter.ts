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
}
