// In: the config.json of a Gemma 2 model. Out: its ModelConfig. Norms before and after each block, capped scores and logits,
// and every second layer with a window.
import type { LayerNorms } from '#factory/records/model-config.ts';
import type { ConfigFields } from '../config-fields.ts';
import {
  type ArchitectureSpec,
  type DecoderTraits,
  readCap,
  readDecoder,
  windowsByType,
} from './decoder-config.ts';

const NORMS: LayerNorms = {
  beforeAttention: 'input_layernorm',
  afterAttention: 'post_attention_layernorm',
  beforeMlp: 'pre_feedforward_layernorm',
  afterMlp: 'post_feedforward_layernorm',
};

/** What Gemma 2 and 3 share. Every `pattern`-th layer sees all tokens, unless layer_types says which. */
export function gemmaTraits(
  fields: ConfigFields,
  { pattern, scoreCap, logitCap }: { pattern: number; scoreCap: number | null; logitCap: number | null },
): Omit<DecoderTraits, 'architecture' | 'maxPositions' | 'qkNorm'> {
  if (fields.boolean('use_bidirectional_attention', false))
    throw fields.bad('use_bidirectional_attention', 'false (causal attention)');
  const attentionBias = fields.boolean('attention_bias', false);
  const window = fields.integer('sliding_window', { max: 2 ** 31 - 1, fallback: 4096 });
  return {
    kvHeads: 4,
    headDim: 256,
    qkvBias: attentionBias,
    outputBias: attentionBias,
    mlpBias: false,
    windows: (layers) =>
      fields.has('layer_types')
        ? windowsByType(fields, layers, window)
        : Array.from({ length: layers }, (_, i) => ((i + 1) % pattern === 0 ? null : window)),
    norms: NORMS,
    normOffset: 1,
    activation: { key: 'hidden_activation', fallback: 'gelu_pytorch_tanh' },
    scoreScale: fields.number('query_pre_attn_scalar', { min: Number.MIN_VALUE, fallback: 256 }) ** -0.5,
    scoreCap: readCap(fields, 'attn_logit_softcapping', scoreCap),
    logitCap: readCap(fields, 'final_logit_softcapping', logitCap),
    embeddingScale: Math.fround(Math.sqrt(fields.integer('hidden_size', { max: 2 ** 20 }))),
    tieEmbeddings: true,
  };
}

export const gemma2: ArchitectureSpec = {
  architecture: 'gemma2',
  modelTypes: ['gemma2'],
  className: 'Gemma2ForCausalLM',
  read: (fields) =>
    readDecoder(fields, {
      ...gemmaTraits(fields, { pattern: 2, scoreCap: 50, logitCap: 30 }),
      architecture: 'gemma2',
      maxPositions: 8192,
      qkNorm: false,
    }),
};
