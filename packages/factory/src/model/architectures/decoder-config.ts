// In: the fields of a config.json and what one architecture fixes. Out: the ModelConfig of a decoder.
// The keys that architectures share are read here; their own keys in their own files beside this.
import type {
  Architecture,
  ExpertsConfig,
  LayerNorms,
  ModelConfig,
  Rope,
  RopeScaling,
} from '#factory/records/model-config.ts';
import type { ConfigFields } from '../config-fields.ts';
import { readRope } from '../rope-config.ts';

/** What adding an architecture takes: one of these in a file of its own, and a line in architecture.ts. */
export interface ArchitectureSpec {
  architecture: Architecture;
  /** `model_type` in config.json. */
  modelTypes: readonly string[];
  /** The class in `architectures`, for files without a model_type. */
  className: string;
  read(fields: ConfigFields): ModelConfig;
}

export interface DecoderTraits {
  architecture: Architecture;
  /** Hugging Face's default for max_position_embeddings. */
  maxPositions: number;
  /** Hugging Face's default for num_key_value_heads; null means as many as heads. */
  kvHeads: number | null;
  /** Default for head_dim; null means hidden_size / num_attention_heads. */
  headDim: number | null;
  qkvBias: boolean;
  outputBias: boolean;
  mlpBias: boolean;
  qkNorm: boolean;
  /** The attention window of each layer, in tokens. */
  windows(layers: number): (number | null)[];
  /** What follows has the value of a Llama model unless it is given. */
  norms?: LayerNorms;
  normOffset?: 0 | 1;
  rmsNormEps?: number;
  fusedQkv?: boolean;
  fusedGateUp?: boolean;
  experts?(layers: number): ExpertsConfig;
  /** The key of the activation, and Hugging Face's default for it. */
  activation?: { key: string; fallback: string };
  /** Rope by another rule than the usual keys. */
  rope?(maxPositions: number): Rope;
  /** The rope of layers with a window, where it is another one. */
  windowRope?(maxPositions: number): Rope;
  /** Hugging Face's default for partial_rotary_factor; null means that the key is not known there. */
  partialRotary?: number | null;
  ropeInterleaved?: boolean;
  /** What multiplies q · k, where it is not 1 / sqrt(head_dim). */
  scoreScale?: number;
  scoreCap?: number | null;
  logitCap?: number | null;
  embeddingScale?: number;
  tieEmbeddings?: boolean;
}

const PRE_NORMS: LayerNorms = {
  beforeAttention: 'input_layernorm',
  afterAttention: null,
  beforeMlp: 'post_attention_layernorm',
  afterMlp: null,
};

// No model comes near these; they keep a nonsense file from asking for nonsense memory.
const MAX_WIDTH = 2 ** 20;
const MAX_LAYERS = 4096;
const MAX_VOCAB = 2 ** 24;
const MAX_HEAD_DIM = 4096;
const MAX_EXPERTS = 4096;

export function readDecoder(fields: ConfigFields, traits: DecoderTraits): ModelConfig {
  const hiddenSize = fields.integer('hidden_size', { max: MAX_WIDTH });
  const heads = fields.integer('num_attention_heads', { max: MAX_WIDTH });
  const kvHeads = fields.integer('num_key_value_heads', {
    max: MAX_WIDTH,
    fallback: traits.kvHeads ?? heads,
  });
  if (heads % kvHeads !== 0)
    throw fields.bad('num_key_value_heads', `a divisor of num_attention_heads (${heads})`);
  const layers = fields.integer('num_hidden_layers', { max: MAX_LAYERS });
  const maxPositions = fields.integer('max_position_embeddings', {
    max: 2 ** 31 - 1,
    fallback: traits.maxPositions,
  });
  if (fields.number('attention_dropout', { fallback: 0 }) !== 0) throw fields.bad('attention_dropout', '0');
  const headDim = readHeadDim(fields, hiddenSize, heads, traits.headDim);
  const rotaryDim = readRotaryDim(fields, headDim, traits.partialRotary ?? null);
  const rope = traits.rope?.(maxPositions) ?? readRope(fields, maxPositions);
  checkFactors(fields, rope, rotaryDim);
  return {
    architecture: traits.architecture,
    vocabSize: fields.integer('vocab_size', { max: MAX_VOCAB }),
    hiddenSize,
    intermediateSize: fields.integer('intermediate_size', { max: MAX_WIDTH }),
    layers,
    heads,
    kvHeads,
    headDim,
    rmsNormEps: fields.number('rms_norm_eps', {
      min: Number.MIN_VALUE,
      max: 1,
      fallback: traits.rmsNormEps ?? 1e-6,
    }),
    norms: traits.norms ?? PRE_NORMS,
    normOffset: traits.normOffset ?? 0,
    ropeTheta: rope.theta,
    ropeScaling: rope.scaling,
    windowRope: traits.windowRope?.(maxPositions) ?? null,
    rotaryDim,
    ropeInterleaved: traits.ropeInterleaved ?? false,
    maxPositions: usablePositions(maxPositions, rope.scaling),
    tieEmbeddings: fields.boolean('tie_word_embeddings', traits.tieEmbeddings ?? false),
    qkvBias: traits.qkvBias,
    outputBias: traits.outputBias,
    mlpBias: traits.mlpBias,
    fusedQkv: traits.fusedQkv ?? false,
    fusedGateUp: traits.fusedGateUp ?? false,
    experts: traits.experts?.(layers) ?? null,
    activation: readActivation(fields, traits.activation ?? { key: 'hidden_act', fallback: 'silu' }),
    qkNorm: traits.qkNorm,
    scoreScale: traits.scoreScale ?? 1 / Math.sqrt(headDim),
    scoreCap: traits.scoreCap ?? null,
    logitCap: traits.logitCap ?? null,
    embeddingScale: traits.embeddingScale ?? 1,
    slidingWindow: traits.windows(layers),
    storedDtype: readDtype(fields),
    raw: structuredClone(fields.raw) as Record<string, unknown>,
  };
}

/** Qwen2 and Qwen3: `layer_types` where given, else the layers from `max_window_layers` on; off unless switched on. */
export function readQwenWindows(fields: ConfigFields, layers: number): (number | null)[] {
  const isOn = fields.boolean('use_sliding_window', false);
  // An explicit null means no window, unlike an absent key.
  const isNull = Object.hasOwn(fields.raw, 'sliding_window') && !fields.has('sliding_window');
  const window =
    isOn && !isNull ? fields.integer('sliding_window', { max: 2 ** 31 - 1, fallback: 4096 }) : null;
  const firstWindowed = fields.integer('max_window_layers', { min: 0, max: MAX_LAYERS, fallback: 28 });
  if (!fields.has('layer_types')) {
    return Array.from({ length: layers }, (_, i) => (i >= firstWindowed ? window : null));
  }
  return windowsByType(fields, layers, window);
}

export function windowsByType(
  fields: ConfigFields,
  layers: number,
  window: number | null,
): (number | null)[] {
  const types = fields.raw.layer_types;
  if (!Array.isArray(types) || types.length !== layers) {
    throw fields.bad('layer_types', `a list of ${layers} layer types`);
  }
  return types.map((type) => {
    if (type === 'full_attention') return null;
    if (type !== 'sliding_attention') throw fields.bad('layer_types', 'full_attention or sliding_attention');
    if (window === null)
      throw fields.bad('layer_types', 'no sliding_attention while the sliding window is off');
    return window;
  });
}

/** Dynamic rope leaves max_position_embeddings at the length before scaling; the other kinds count the stretch in. */
function usablePositions(maxPositions: number, scaling: RopeScaling | null): number {
  return scaling?.kind === 'dynamic' ? Math.floor(maxPositions * Math.max(1, scaling.factor)) : maxPositions;
}

function readHeadDim(fields: ConfigFields, hidden: number, heads: number, fallback: number | null): number {
  if (!fields.has('head_dim') && fallback === null && hidden % heads !== 0) {
    throw fields.bad('num_attention_heads', `a divisor of hidden_size (${hidden}), as head_dim is not given`);
  }
  const headDim = fields.integer('head_dim', { max: MAX_HEAD_DIM, fallback: fallback ?? hidden / heads });
  if (headDim % 2 !== 0 || headDim > MAX_HEAD_DIM) {
    const from = fields.has('head_dim') ? 'head_dim' : 'num_attention_heads';
    throw fields.bad(from, `an even head size of at most ${MAX_HEAD_DIM} (it is ${headDim})`);
  }
  return headDim;
}

/** Hugging Face's names of the activations that the engine has. */
const ACTIVATIONS: Record<string, ModelConfig['activation']> = {
  silu: 'silu',
  swish: 'silu',
  gelu_pytorch_tanh: 'gelu_tanh',
};

function readActivation(
  fields: ConfigFields,
  { key, fallback }: { key: string; fallback: string },
): ModelConfig['activation'] {
  const name = fields.text(key, fallback);
  if (!Object.hasOwn(ACTIVATIONS, name)) throw fields.bad(key, '"silu" or "gelu_pytorch_tanh"');
  return ACTIVATIONS[name];
}

/** int(head_dim * partial_rotary_factor), the factor beside the rope or in it. */
function readRotaryDim(fields: ConfigFields, headDim: number, fallback: number | null): number {
  const key = 'partial_rotary_factor';
  const inner = [fields.object('rope_parameters'), fields.object('rope_scaling')].find((o) => o?.has(key));
  const holder = inner ?? fields;
  const factor = holder.number(key, { min: 0, max: 1, fallback: fallback ?? 1 });
  if (fallback === null && factor !== 1) throw holder.bad(key, '1 (rope on the whole head)');
  const rotaryDim = Math.floor(headDim * factor);
  if (rotaryDim < 2 || rotaryDim % 2 !== 0)
    throw holder.bad(key, `a factor that gives an even number of head_dim (${headDim}) values`);
  return rotaryDim;
}

function checkFactors(fields: ConfigFields, { scaling }: Rope, rotaryDim: number): void {
  if (scaling?.kind !== 'longrope') return;
  const pairs = rotaryDim / 2;
  const holder = fields.object('rope_scaling') ?? fields.object('rope_parameters') ?? fields;
  for (const [key, list] of [
    ['short_factor', scaling.shortFactor],
    ['long_factor', scaling.longFactor],
  ] as const)
    if (list.length !== pairs) throw holder.bad(key, `a list of ${pairs} numbers`);
}

/** How many experts there are, and to how many a token goes; transformers 4 and 5 call their number differently. */
export function readExpertCounts(
  fields: ConfigFields,
  fallback: { count: number; active: number },
): { count: number; active: number } {
  const key = fields.has('num_experts') ? 'num_experts' : 'num_local_experts';
  const count = fields.integer(key, { max: MAX_EXPERTS, fallback: fallback.count });
  return {
    count,
    active: fields.integer('num_experts_per_tok', { max: count, fallback: Math.min(fallback.active, count) }),
  };
}

/** A cap such as attn_logit_softcapping: an explicit null means none, unlike an absent key. */
export function readCap(fields: ConfigFields, key: string, fallback: number | null): number | null {
  if (fields.has(key)) return fields.number(key, { min: Number.MIN_VALUE });
  return Object.hasOwn(fields.raw, key) ? null : fallback;
}

function readDtype(fields: ConfigFields): ModelConfig['storedDtype'] {
  const key = fields.has('dtype') ? 'dtype' : 'torch_dtype';
  const dtype = fields.text(key, 'float32').replace(/^torch\./, '');
  if (dtype === 'float32' || dtype === 'float16' || dtype === 'bfloat16') return dtype;
  throw fields.bad(key, 'float32, float16 or bfloat16');
}
