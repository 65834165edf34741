// In: nothing. Out: a trained tensor with its gradient, and the tensors of a checkpoint as they rest: plain or parked.

export interface Parameter {
  /** Hugging Face's name, such as `model.layers.0.self_attn.q_proj.lora_A.weight`. */
  name: string;
  shape: number[];
  /** Updated in place by the optimiser; the layers read the same memory. */
  value: Float32Array;
  /** Summed over the micro batches of a step. */
  gradient: Float32Array;
  /** False for biases and norms, as in Hugging Face's Trainer. */
  decay: boolean;
}

export function makeParameter(name: string, shape: number[], value: Float32Array): Parameter {
  const decay = !/bias$/.test(name) && !/norm/i.test(name);
  return { name, shape, value, gradient: new Float32Array(value.length), decay };
}

/** A checkpoint tensor in memory; f16 as raw 16-bit patterns. */
export interface StoredWeight {
  shape: number[];
  dtype: 'f32' | 'f16';
  data: Float32Array | Uint16Array;
}

/** A frozen tensor that has plain values only while its layer runs: packed in memory, or on disk. */
export interface ParkedWeight {
  shape: number[];
  /** Of the values that `load` writes. */
  dtype: 'f32' | 'f16';
  /** What it takes in memory between uses. */
  restBytes: number;
  /** Writes all values, row-major. */
  load(into: Float32Array | Uint16Array): void | Promise<void>;
}
