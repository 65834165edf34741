// In: the name of a public model. Out: the facts of its config.json that sizes follow from, so that a plan needs no
// download. Sources: the config.json files that the models were published with.

type RawConfig = Readonly<Record<string, unknown>>;

interface Sizes {
  layers: number;
  hidden: number;
  inner: number;
  heads: number;
  kvHeads: number;
  vocab: number;
  tied?: boolean;
  headDim?: number;
  maxPositions: number;
}

function shape(architecture: 'llama' | 'mistral' | 'qwen2' | 'qwen3', sizes: Sizes): RawConfig {
  return {
    model_type: architecture,
    vocab_size: sizes.vocab,
    hidden_size: sizes.hidden,
    intermediate_size: sizes.inner,
    num_hidden_layers: sizes.layers,
    num_attention_heads: sizes.heads,
    num_key_value_heads: sizes.kvHeads,
    ...(sizes.headDim === undefined ? {} : { head_dim: sizes.headDim }),
    max_position_embeddings: sizes.maxPositions,
    rms_norm_eps: 1e-6,
    rope_theta: 10_000,
    hidden_act: 'silu',
    tie_word_embeddings: sizes.tied ?? false,
    torch_dtype: 'bfloat16',
  };
}

// biome-ignore format: one line per model
export const KNOWN_SHAPES: Readonly<Record<string, RawConfig>> = {
  'Qwen2.5-0.5B': shape('qwen2', { layers: 24, hidden: 896, inner: 4864, heads: 14, kvHeads: 2, vocab: 151_936, tied: true, maxPositions: 32_768 }),
  'Qwen2.5-1.5B': shape('qwen2', { layers: 28, hidden: 1536, inner: 8960, heads: 12, kvHeads: 2, vocab: 151_936, tied: true, maxPositions: 32_768 }),
  'Qwen2.5-3B': shape('qwen2', { layers: 36, hidden: 2048, inner: 11_008, heads: 16, kvHeads: 2, vocab: 151_936, tied: true, maxPositions: 32_768 }),
  'Qwen2.5-7B': shape('qwen2', { layers: 28, hidden: 3584, inner: 18_944, heads: 28, kvHeads: 4, vocab: 152_064, maxPositions: 32_768 }),
  'Qwen2.5-14B': shape('qwen2', { layers: 48, hidden: 5120, inner: 13_824, heads: 40, kvHeads: 8, vocab: 152_064, maxPositions: 32_768 }),
  'Qwen3-0.6B': shape('qwen3', { layers: 28, hidden: 1024, inner: 3072, heads: 16, kvHeads: 8, headDim: 128, vocab: 151_936, tied: true, maxPositions: 40_960 }),
  'Qwen3-1.7B': shape('qwen3', { layers: 28, hidden: 2048, inner: 6144, heads: 16, kvHeads: 8, headDim: 128, vocab: 151_936, tied: true, maxPositions: 40_960 }),
  'Qwen3-4B': shape('qwen3', { layers: 36, hidden: 2560, inner: 9728, heads: 32, kvHeads: 8, headDim: 128, vocab: 151_936, tied: true, maxPositions: 40_960 }),
  'Qwen3-8B': shape('qwen3', { layers: 36, hidden: 4096, inner: 12_288, heads: 32, kvHeads: 8, headDim: 128, vocab: 151_936, maxPositions: 40_960 }),
  'Llama-2-7B': shape('llama', { layers: 32, hidden: 4096, inner: 11_008, heads: 32, kvHeads: 32, vocab: 32_000, maxPositions: 4096 }),
  'Llama-2-13B': shape('llama', { layers: 40, hidden: 5120, inner: 13_824, heads: 40, kvHeads: 40, vocab: 32_000, maxPositions: 4096 }),
  'Llama-3.2-1B': shape('llama', { layers: 16, hidden: 2048, inner: 8192, heads: 32, kvHeads: 8, headDim: 64, vocab: 128_256, tied: true, maxPositions: 131_072 }),
  'Llama-3.2-3B': shape('llama', { layers: 28, hidden: 3072, inner: 8192, heads: 24, kvHeads: 8, headDim: 128, vocab: 128_256, tied: true, maxPositions: 131_072 }),
  'Llama-3.1-8B': shape('llama', { layers: 32, hidden: 4096, inner: 14_336, heads: 32, kvHeads: 8, vocab: 128_256, maxPositions: 131_072 }),
  'Mistral-7B': shape('mistral', { layers: 32, hidden: 4096, inner: 14_336, heads: 32, kvHeads: 8, vocab: 32_768, maxPositions: 32_768 }),
  'TinyLlama-1.1B': shape('llama', { layers: 22, hidden: 2048, inner: 5632, heads: 32, kvHeads: 4, vocab: 32_000, maxPositions: 2048 }),
  'SmolLM2-135M': shape('llama', { layers: 30, hidden: 576, inner: 1536, heads: 9, kvHeads: 3, vocab: 49_152, tied: true, maxPositions: 8192 }),
  'SmolLM2-360M': shape('llama', { layers: 32, hidden: 960, inner: 2560, heads: 15, kvHeads: 5, vocab: 49_152, tied: true, maxPositions: 8192 }),
};
