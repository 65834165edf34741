// In: nothing. Out: four shapes of 100 to 200 million parameters, unlike each other in what memory depends on, and the
// methods that are measured on them.
import { fileURLToPath } from 'node:url';
import type { RawConfig } from './random-model.ts';

const common = {
  max_position_embeddings: 4096,
  rms_norm_eps: 1e-6,
  rope_theta: 10_000,
  hidden_act: 'silu',
  torch_dtype: 'bfloat16',
};

/** A common small model; a large vocabulary; wide and shallow with an untied head; wide heads with norms. */
export const SMALL_SHAPES: Readonly<Record<string, RawConfig>> = {
  common: {
    ...common,
    model_type: 'qwen2',
    vocab_size: 32_000,
    hidden_size: 768,
    intermediate_size: 3072,
    num_hidden_layers: 12,
    num_attention_heads: 12,
    num_key_value_heads: 4,
    tie_word_embeddings: true,
  },
  vocabulary: {
    ...common,
    model_type: 'llama',
    vocab_size: 128_000,
    hidden_size: 512,
    intermediate_size: 1408,
    num_hidden_layers: 16,
    num_attention_heads: 8,
    num_key_value_heads: 8,
    tie_word_embeddings: true,
  },
  wide: {
    ...common,
    model_type: 'llama',
    vocab_size: 16_000,
    hidden_size: 1536,
    intermediate_size: 4096,
    num_hidden_layers: 6,
    num_attention_heads: 12,
    num_key_value_heads: 12,
    tie_word_embeddings: false,
  },
  heads: {
    ...common,
    model_type: 'qwen3',
    vocab_size: 50_000,
    hidden_size: 1024,
    intermediate_size: 3072,
    num_hidden_layers: 8,
    num_attention_heads: 16,
    num_key_value_heads: 8,
    head_dim: 128,
    tie_word_embeddings: true,
  },
};

export interface MeasuredMethod {
  keys: Readonly<Record<string, string | number | boolean>>;
  /** How the checkpoint is stored. */
  stored: 'fp16' | 'fp32' | 'gguf';
}

const LORA = { finetuning_type: 'lora' };
/** Stands for the model that is measured, as a value of other keys. */
export const OWN_MODEL = '{model}';
/** Eight answers are written and learned from at a time. */
const REWARDED = {
  template: 'default',
  reward_functions: fileURLToPath(new URL('../../examples/rewards/json-answer.ts:valid', import.meta.url)),
  per_device_train_batch_size: 8,
  logged_completions: 0,
};
const FREEZE = { finetuning_type: 'freeze', freeze_trainable_layers: 2 };

export const MEASURED_METHODS: Readonly<Record<string, MeasuredMethod>> = {
  lora: { keys: LORA, stored: 'fp16' },
  'lora-fp32': { keys: LORA, stored: 'fp32' },
  'lora-recompute': { keys: { ...LORA, residual_policy: 'recompute' }, stored: 'fp16' },
  dora: { keys: { ...LORA, use_dora: true }, stored: 'fp16' },
  'qlora-8': { keys: { ...LORA, quantization_bit: 8 }, stored: 'fp16' },
  'qlora-4': { keys: { ...LORA, quantization_bit: 4 }, stored: 'fp16' },
  'lora-gguf': { keys: LORA, stored: 'gguf' },
  'lora-streamed': { keys: { ...LORA, stream_base: true }, stored: 'fp16' },
  'llama-pro': { keys: { ...FREEZE, use_llama_pro: true }, stored: 'fp16' },
  freeze: { keys: FREEZE, stored: 'fp16' },
  full: { keys: { finetuning_type: 'full' }, stored: 'fp16' },
  dpo: { keys: { ...LORA, stage: 'dpo', template: 'default' }, stored: 'fp16' },
  'dpo-reference': {
    keys: { ...LORA, stage: 'dpo', template: 'default', ref_model: OWN_MODEL },
    stored: 'fp16',
  },
  rm: { keys: { ...LORA, stage: 'rm', template: 'default' }, stored: 'fp16' },
  grpo: { keys: { ...LORA, ...REWARDED, stage: 'grpo', grpo_beta: 0.04 }, stored: 'fp16' },
  ppo: { keys: { ...LORA, ...REWARDED, stage: 'ppo' }, stored: 'fp16' },
  'grpo-freeze': { keys: { ...FREEZE, ...REWARDED, stage: 'grpo', grpo_beta: 0.04 }, stored: 'fp16' },
};
