// In: nothing. Out: the facts about a decoder-only transformer that every later step computes from.

export type Architecture =
  | 'llama'
  | 'mistral'
  | 'mixtral'
  | 'qwen2'
  | 'qwen3'
  | 'qwen3_moe'
  | 'gemma2'
  | 'gemma3'
  | 'phi3'
  | 'glm'
  | 'glm4';

export type RopeScaling =
  | { kind: 'linear'; factor: number }
  | { kind: 'dynamic'; factor: number; originalMaxPositions: number }
  | {
      kind: 'llama3';
      factor: number;
      lowFreqFactor: number;
      highFreqFactor: number;
      originalMaxPositions: number;
    }
  | {
      kind: 'yarn';
      factor: number;
      originalMaxPositions: number;
      betaFast: number;
      betaSlow: number;
      attentionFactor: number | null;
      mscale: number | null;
      mscaleAllDim: number | null;
      truncate: boolean;
    }
  | {
      kind: 'longrope';
      /** Divisors of the frequencies, one per pair of values: up to the original length, and beyond it. */
      shortFactor: number[];
      longFactor: number[];
      originalMaxPositions: number;
      attentionFactor: number;
    };

export interface Rope {
  theta: number;
  scaling: RopeScaling | null;
}

/** Names of a layer's RMS norms below `model.layers.N.`; those after a block act on its output. */
export interface LayerNorms {
  beforeAttention: string;
  afterAttention: string | null;
  beforeMlp: string;
  afterMlp: string | null;
}

/** Experts in place of the MLP of some layers. */
export interface ExpertsConfig {
  count: number;
  /** Experts that a token goes to. */
  active: number;
  /** Intermediate size of one expert. */
  width: number;
  /** The weights of a token's experts add up to one. */
  normalised: boolean;
  /** Whether layer i has experts. */
  layers: boolean[];
  /** Names of modules below `model.layers.N.`; projections below `<prefix>.<expert>.` */
  names: { router: string; prefix: string; gate: string; up: string; down: string };
}

export interface ModelConfig {
  architecture: Architecture;
  vocabSize: number;
  hiddenSize: number;
  intermediateSize: number;
  layers: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  rmsNormEps: number;
  norms: LayerNorms;
  /** Norms multiply by `normOffset` + weight. */
  normOffset: 0 | 1;
  ropeTheta: number;
  ropeScaling: RopeScaling | null;
  /** The rope of layers with a window, where it is another one. */
  windowRope: Rope | null;
  /** How many values of each head rope turns. */
  rotaryDim: number;
  /** Rope turns pairs (2i, 2i + 1), not (i, i + rotaryDim / 2). */
  ropeInterleaved: boolean;
  maxPositions: number;
  tieEmbeddings: boolean;
  /** Biases on q, k, v. */
  qkvBias: boolean;
  /** Bias on the attention output projection. */
  outputBias: boolean;
  mlpBias: boolean;
  /** q, k and v in one matrix `qkv_proj`; gate and up in one matrix `gate_up_proj`. */
  fusedQkv: boolean;
  fusedGateUp: boolean;
  experts: ExpertsConfig | null;
  activation: 'silu' | 'gelu_tanh';
  /** RMS norm on each head of q and k before rope. */
  qkNorm: boolean;
  /** What multiplies q · k. */
  scoreScale: number;
  /** Attention scores, and logits, are bent to cap * tanh(value / cap). */
  scoreCap: number | null;
  logitCap: number | null;
  /** What multiplies the embeddings. */
  embeddingScale: number;
  /** Window of layer i in tokens, or null for full causal attention. */
  slidingWindow: (number | null)[];
  /** The dtype that config.json declares. */
  storedDtype: 'float32' | 'float16' | 'bfloat16';
  /** Bytes of the layers' matrices, where their file packs them; they rest as they are there. */
  packedBytes?: number;
  /** config.json as read, so that saving writes back every key. */
  raw: Record<string, unknown>;
}

/** A tensor of a checkpoint: Hugging Face's name, dtype and shape, and its bytes as the matching typed array. */
export interface WeightTensor {
  name: string;
  dtype: 'F32' | 'F16' | 'BF16';
  shape: number[];
  /** Float32Array for F32; raw 16-bit patterns for F16 and BF16. */
  data: Float32Array | Uint16Array;
}

/** Random access to the tensors of a checkpoint. Headers are read and checked on opening; bytes only on `read`. */
export interface WeightSource {
  /** All tensor names with dtype and shape. */
  readonly tensors: ReadonlyMap<string, { dtype: WeightTensor['dtype']; shape: number[]; file: string }>;
  /** Memory of its own at every call, which the caller may change. */
  read(name: string): Promise<WeightTensor>;
  /** The bytes of a tensor as they are stored, from `offset` on, into memory of the caller's; where they are on disk. */
  readInto?(name: string, bytes: Uint8Array, offset?: number): Promise<void>;
  /** A matrix that is stored packed, as it is; null where it is stored as plain numbers. */
  readPacked?(name: string): Promise<PackedTensor | null>;
  close(): Promise<void>;
}

/** A tensor in memory in a packed form. */
export interface PackedTensor {
  shape: number[];
  /** What it takes in memory. */
  bytes: number;
  /** Writes rows `from` up to `to` (all by default) as float32. */
  expand(into: Float32Array, from?: number, to?: number): void;
}
