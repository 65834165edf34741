// In: the fields of a config.json and what one architecture fixes. Out: the ModelConfig of a decoder.
// The keys that Llama, Mistral, Qwen2 and Qwen3 share are read here; their own keys in their own files beside this.
import type { Architecture, ModelConfig, RopeScaling } from '#factory/records/model-config.ts';
import type { ConfigFields } from '../config-fields.ts';
import { readRope } from '../rope-config.ts';

/** What adding an architecture takes: one of these in a file of its own, and a line in architecture.ts. */
export interface ArchitectureSpec {
  architecture: Architecture;
  /** `model_type` in config.json. */
  modelType: string;
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
}

// No model comes near these; they keep a nonsense file from asking for nonsense memory.
const MAX_WIDTH = 2 ** 20;
const MAX_LAYERS = 4096;
const MAX_VOCAB = 2 ** 24;
const MAX_HEAD_DIM = 4096;

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
  refuseUnsupported(fields);
  const rope = readRope(fields, maxPositions);
  return {
    architecture: traits.architecture,
    vocabSize: fields.integer('vocab_size', { max: MAX_VOCAB }),
    hiddenSize,
    intermediateSize: fields.integer('intermediate_size', { max: MAX_WIDTH }),
    layers,
    heads,
    kvHeads,
    headDim: readHeadDim(fields, hiddenSize, heads, traits.headDim),
    rmsNormEps: fields.number('rms_norm_eps', { min: Number.MIN_VALUE, max: 1, fallback: 1e-6 }),
    ropeTheta: rope.theta,
    ropeScaling: rope.scaling,
    maxPositions: usablePositions(maxPositions, rope.scaling),
    tieEmbeddings: fields.boolean('tie_word_embeddings', false),
    qkvBias: traits.qkvBias,
    outputBias: traits.outputBias,
    mlpBias: traits.mlpBias,
    qkNorm: traits.qkNorm,
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

function refuseUnsupported(fields: ConfigFields): void {
  const activation = fields.text('hidden_act', 'silu');
  if (activation !== 'silu' && activation !== 'swish') throw fields.bad('hidden_act', '"silu"');
  if (fields.number('attention_dropout', { fallback: 0 }) !== 0) throw fields.bad('attention_dropout', '0');
}

function readDtype(fields: ConfigFields): ModelConfig['storedDtype'] {
  const key = fields.has('dtype') ? 'dtype' : 'torch_dtype';
  const dtype = fields.text(key, 'float32').replace(/^torch\./, '');
  if (dtype === 'float32' || dtype === 'float16' || dtype === 'bfloat16') return dtype;
  throw fields.bad(key, 'float32, float16 or bfloat16');
}
