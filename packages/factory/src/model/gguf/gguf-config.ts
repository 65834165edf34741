// In: the metadata and tensor names of a GGUF file. Out: the same as the config.json of a Hugging Face model, for
// config.ts to check and read. Llama (and Mistral, which is stored as Llama), Qwen2 and Qwen3.
import { FactoryError } from '#factory/errors.ts';
import type { GgufMetadata } from '#factory/records/gguf.ts';
import type { GgufHeader } from './header.ts';

const ARCHITECTURES = ['llama', 'qwen2', 'qwen3'];

/** Whether files with this `general.architecture` are read here. */
const canReadGguf = (architecture: unknown) => ARCHITECTURES.includes(architecture as string);

export function ggufConfig({ metadata, tensors }: GgufHeader, path: string): Record<string, unknown> {
  const arch = metadata.get('general.architecture');
  if (typeof arch !== 'string' || !canReadGguf(arch))
    throw new FactoryError({
      code: 'MODEL_UNKNOWN_ARCHITECTURE',
      message: `${path}: general.architecture: expected one of ${ARCHITECTURES.join(', ')}, found ${JSON.stringify(arch) ?? 'none'}`,
      remedy: 'Use a GGUF file of one of these architectures, or the Hugging Face folder of the model.',
      details: { path },
    });
  const fields = new Fields(metadata, arch, path);
  if (fields.number('expert_count', 0) > 0) fields.refuse('expert_count', '0: no mixture of experts');
  for (const scale of ['embedding_scale', 'residual_scale', 'logit_scale', 'attention.scale'])
    if (fields.number(scale, 1) !== 1) fields.refuse(scale, '1');
  const heads = fields.number('attention.head_count');
  const hidden = fields.number('embedding_length');
  const headDim = fields.number('attention.key_length', hidden / heads);
  if (fields.number('rope.dimension_count', headDim) !== headDim)
    fields.refuse('rope.dimension_count', `${headDim}, the size of a head`);
  if (fields.number('attention.value_length', headDim) !== headDim)
    fields.refuse('attention.value_length', `${headDim}, the size of a head`);
  const window = fields.number('attention.sliding_window', 0);
  if (arch !== 'llama' && window > 0) fields.refuse('attention.sliding_window', '0: no sliding window');
  return {
    // Mistral's window is what tells it from Llama.
    model_type: arch === 'llama' && window > 0 ? 'mistral' : arch,
    vocab_size: tensors.get('token_embd.weight')?.shape[0],
    hidden_size: hidden,
    intermediate_size: fields.number('feed_forward_length'),
    num_hidden_layers: fields.number('block_count'),
    num_attention_heads: heads,
    num_key_value_heads: fields.number('attention.head_count_kv', heads),
    head_dim: headDim,
    max_position_embeddings: fields.number('context_length'),
    rms_norm_eps: shortest(fields.number('attention.layer_norm_rms_epsilon')),
    rope_theta: fields.number('rope.freq_base', 10_000),
    ...(window > 0 ? { sliding_window: window } : {}),
    ...ropeScaling(fields),
    tie_word_embeddings: !tensors.has('output.weight'),
    attention_bias: tensors.has('blk.0.attn_q.bias'),
    mlp_bias: tensors.has('blk.0.ffn_up.bias'),
    ...optional('bos_token_id', metadata.get('tokenizer.ggml.bos_token_id')),
    ...optional('eos_token_id', metadata.get('tokenizer.ggml.eos_token_id')),
    torch_dtype: 'float32',
  };
}

function ropeScaling(fields: Fields): Record<string, unknown> {
  const kind = fields.metadata.get(`${fields.arch}.rope.scaling.type`);
  if (kind === undefined || kind === 'none') return {};
  const factor = fields.number('rope.scaling.factor');
  if (kind === 'linear') return { rope_scaling: { rope_type: 'linear', factor } };
  if (kind !== 'yarn') fields.refuse('rope.scaling.type', 'none, linear or yarn');
  const original = fields.number('rope.scaling.original_context_length');
  // llama.cpp multiplies its usual scale of q and k by this.
  const attention = fields.number('rope.scaling.attn_factor', 1) * (1 + 0.1 * Math.log(factor));
  return {
    rope_scaling: {
      rope_type: 'yarn',
      factor,
      original_max_position_embeddings: original,
      ...(fields.has('rope.scaling.attn_factor') ? { attention_factor: attention } : {}),
    },
  };
}

/**
 * Llama 3.1 and later store what their rope scaling makes of each frequency (`rope_freqs.weight`), not its parameters.
 * @returns those parameters, found by trying; null where none gives these factors.
 */
export function llama3Scaling(factors: Float32Array, theta: number): Record<string, unknown> | null {
  const candidate = {
    rope_type: 'llama3',
    factor: Math.max(...factors),
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 8192,
  };
  const {
    factor,
    low_freq_factor: low,
    high_freq_factor: high,
    original_max_position_embeddings: length,
  } = candidate;
  for (let i = 0; i < factors.length; i++) {
    const wave = 2 * Math.PI * theta ** (i / factors.length);
    const smooth = (length / wave - low) / (high - low);
    const expected =
      wave < length / high ? 1 : wave > length / low ? factor : 1 / ((1 - smooth) / factor + smooth);
    if (Math.abs(factors[i] - expected) > 1e-4 * expected) return null;
  }
  return candidate;
}

/** 1e-5 rather than the float32 nearest to it. */
const shortest = (value: number) => Number(value.toPrecision(7));

const optional = (key: string, value: unknown) => (value === undefined ? {} : { [key]: value });

class Fields {
  readonly metadata: GgufMetadata;
  readonly arch: string;
  readonly #path: string;

  constructor(metadata: GgufMetadata, arch: string, path: string) {
    this.metadata = metadata;
    this.arch = arch;
    this.#path = path;
  }

  has(key: string): boolean {
    return this.metadata.has(`${this.arch}.${key}`);
  }

  /** One number for the whole model; a list must repeat it. */
  number(key: string, fallback?: number): number {
    const stored = this.metadata.get(`${this.arch}.${key}`) ?? fallback;
    const list = Array.isArray(stored) ? stored : [stored];
    const value = typeof list[0] === 'bigint' ? Number(list[0]) : list[0];
    if (typeof value !== 'number' || !Number.isFinite(value) || list.some((v) => Number(v) !== value))
      this.refuse(key, 'one number');
    return value;
  }

  refuse(key: string, expected: string): never {
    const name = `${this.arch}.${key}`;
    const found = String(this.metadata.get(name) ?? 'nothing').slice(0, 80);
    throw new FactoryError({
      code: 'MODEL_BAD_CONFIG',
      message: `${this.#path}: ${name}: expected ${expected}, found ${found}`,
      remedy: 'Use a GGUF file that a current llama.cpp converted, or the Hugging Face folder of the model.',
      details: { file: this.#path, key: name },
    });
  }
}
