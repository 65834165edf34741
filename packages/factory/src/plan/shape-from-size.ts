// In: a number of parameters and a vocabulary. Out: the config.json of a Llama-like model of about that size, for plans
// without a model at hand. Real models of the same size differ by some per cent.

/** Widths of public models; the one whose layers come nearest to the usual ratio of width to depth is taken. */
const HEAD_DIM = 128;
/** Layers grow more slowly than width: about hidden / 128, as from 0.5B to 70B. */
const PER_LAYER = 128;

export function shapeFromSize(parameters: number, vocabSize: number): Record<string, unknown> {
  let best: { hidden: number; layers: number; error: number } | null = null;
  for (let hidden = 256; hidden <= 16_384; hidden += 128) {
    const layers = Math.max(2, Math.round((parameters - 2 * vocabSize * hidden) / layerSize(hidden)));
    const total = layers * layerSize(hidden) + 2 * vocabSize * hidden;
    const error =
      Math.abs(total - parameters) / parameters + 0.2 * Math.abs(Math.log((layers * PER_LAYER) / hidden));
    if (!best || error < best.error) best = { hidden, layers, error };
  }
  const { hidden, layers } = best as { hidden: number; layers: number };
  const heads = hidden / HEAD_DIM;
  return {
    model_type: 'llama',
    vocab_size: vocabSize,
    hidden_size: hidden,
    intermediate_size: innerSize(hidden),
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: heads,
    max_position_embeddings: 131_072,
    rms_norm_eps: 1e-6,
    rope_theta: 10_000,
    hidden_act: 'silu',
    tie_word_embeddings: false,
    torch_dtype: 'bfloat16',
  };
}

const innerSize = (hidden: number) => Math.ceil((8 * hidden) / 3 / 256) * 256;
const layerSize = (hidden: number) => 4 * hidden * hidden + 3 * hidden * innerSize(hidden);

/** `7B`, `1.5b`, `350M`, `7000000000`; null for anything else. */
export function parseParameters(text: string): number | null {
  const found = /^\s*(\d+(?:\.\d+)?)\s*([bmk]?)\s*$/i.exec(text);
  if (!found) return null;
  const scale = { b: 1e9, m: 1e6, k: 1e3, '': 1 }[found[2].toLowerCase() as 'b' | 'm' | 'k' | ''];
  const value = Number(found[1]) * scale;
  return value >= 1e6 && value <= 1e13 ? value : null;
}
