// In: the config.json of a Gemma 3 model, text only or with a vision part. Out: the ModelConfig of its text part. Heads of q
// and k are normed; layers with a window have a rope of their own.
import type { Rope } from '#factory/records/model-config.ts';
import { type ConfigFields, configFields } from '../config-fields.ts';
import { readRopeFrom } from '../rope-config.ts';
import { type ArchitectureSpec, readDecoder } from './decoder-config.ts';
import { gemmaTraits } from './gemma2.ts';

/** Configs with a vision part leave out of text_config what equals Hugging Face's defaults. */
const TEXT_DEFAULTS = {
  vocab_size: 262_208,
  hidden_size: 2304,
  intermediate_size: 9216,
  num_hidden_layers: 26,
  num_attention_heads: 8,
};

export const gemma3: ArchitectureSpec = {
  architecture: 'gemma3',
  modelTypes: ['gemma3_text', 'gemma3'],
  className: 'Gemma3ForCausalLM',
  read(all) {
    const fields = textFields(all);
    const pattern = fields.integer('sliding_window_pattern', { max: 4096, fallback: 6 });
    return readDecoder(fields, {
      ...gemmaTraits(fields, { pattern, scoreCap: null, logitCap: null }),
      architecture: 'gemma3',
      maxPositions: 131_072,
      qkNorm: true,
      // transformers reads attn_logit_softcapping here and never applies it.
      scoreCap: null,
      rope: (maxPositions) => readRopeOf('full_attention', fields, maxPositions),
      windowRope: (maxPositions) => readRopeOf('sliding_attention', fields, maxPositions),
    });
  },
};

/** The text part as a config of its own: it is what gets trained and saved. */
function textFields(all: ConfigFields): ConfigFields {
  const text = all.object('text_config');
  if (!text) return all;
  const { dtype, torch_dtype, bos_token_id, eos_token_id, pad_token_id } = all.raw;
  const outer = { dtype, torch_dtype, bos_token_id, eos_token_id, pad_token_id };
  const given = Object.fromEntries(Object.entries(outer).filter(([, value]) => value !== undefined));
  const own = { architectures: ['Gemma3ForCausalLM'], model_type: 'gemma3_text' };
  return configFields({ ...TEXT_DEFAULTS, ...given, ...text.raw, ...own }, all.file, 'text_config.');
}

/** One rope per kind of layer; older files have rope_theta, rope_scaling and rope_local_base_freq instead. */
function readRopeOf(kind: 'full_attention' | 'sliding_attention', fields: ConfigFields, max: number): Rope {
  const isFull = kind === 'full_attention';
  const own = fields.object('rope_parameters')?.object(kind) ?? null;
  const older = isFull ? 'rope_theta' : 'rope_local_base_freq';
  const theta = fields.number(older, { min: Number.MIN_VALUE, fallback: isFull ? 1_000_000 : 10_000 });
  return readRopeFrom(own ?? (isFull ? fields.object('rope_scaling') : null), fields, max, theta);
}
