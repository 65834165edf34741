// In: the resolved arguments of a run. Out: `resolved_config.yaml` with their hash, and the difference between two such
// files key by key, each with what it does to the result. It decides nothing: the caller refuses or allows drift.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { FactoryError } from '#factory/errors.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { writeAtomic } from './atomic-file.ts';
import { diskError, errnoOf } from './disk-error.ts';

export const RESOLVED_CONFIG_FILE = 'resolved_config.yaml';

/**
 * What a change of the key does to a run that goes on. `result`: other weights. `length`: a longer or shorter run, and
 * another schedule. `selection`: other weights only where evaluation chooses the checkpoint or the end.
 * `none`: the same weights.
 */
export type Effect = 'result' | 'length' | 'selection' | 'none';

/** Total, so that a new key does not compile before someone has said what it does. */
const EFFECTS: Record<keyof TrainArgs, Effect> = {
  // model
  model_name_or_path: 'result',
  adapter_name_or_path: 'result',
  cache_dir: 'none',
  model_revision: 'result',
  hf_hub_token: 'none',
  rope_scaling: 'result',
  train_from_scratch: 'result',
  split_special_tokens: 'result',
  disable_gradient_checkpointing: 'result',
  quantization_bit: 'result',
  quantization_method: 'result',
  quantization_type: 'result',
  double_quantization: 'result',
  // data
  template: 'result',
  template_version: 'result',
  dataset: 'result',
  eval_dataset: 'selection',
  dataset_dir: 'result',
  cutoff_len: 'result',
  train_on_prompt: 'result',
  mask_history: 'result',
  mix_strategy: 'result',
  interleave_probs: 'result',
  overwrite_cache: 'none',
  preprocessing_batch_size: 'none',
  max_samples: 'result',
  val_size: 'result',
  packing: 'result',
  neat_packing: 'result',
  tool_format: 'result',
  default_system: 'result',
  enable_thinking: 'result',
  preserve_thinking: 'result',
  tokenized_path: 'none',
  ignore_pad_token_for_loss: 'result',
  max_dropped_fraction: 'none',
  sealed_test: 'result',
  // finetuning
  stage: 'result',
  finetuning_type: 'result',
  freeze_trainable_layers: 'result',
  freeze_trainable_modules: 'result',
  freeze_extra_modules: 'result',
  lora_alpha: 'result',
  lora_dropout: 'result',
  lora_rank: 'result',
  lora_target: 'result',
  loraplus_lr_ratio: 'result',
  loraplus_lr_embedding: 'result',
  use_rslora: 'result',
  use_dora: 'result',
  pissa_init: 'result',
  loftq_init: 'result',
  loftq_iter: 'result',
  pissa_iter: 'none',
  pissa_convert: 'none',
  additional_target: 'result',
  use_llama_pro: 'result',
  create_new_adapter: 'result',
  pref_beta: 'result',
  pref_ftx: 'result',
  pref_bco_weight: 'result',
  pref_loss: 'result',
  dpo_label_smoothing: 'result',
  kto_chosen_weight: 'result',
  kto_rejected_weight: 'result',
  simpo_gamma: 'result',
  ref_model: 'result',
  ref_model_adapters: 'result',
  ref_model_quantization_bit: 'result',
  ld_alpha: 'result',
  ppo_buffer_size: 'result',
  ppo_epochs: 'result',
  ppo_score_norm: 'result',
  ppo_target: 'result',
  ppo_whiten_rewards: 'result',
  reward_model: 'result',
  reward_model_adapters: 'result',
  reward_model_quantization_bit: 'result',
  reward_model_type: 'result',
  use_galore: 'result',
  galore_target: 'result',
  galore_rank: 'result',
  galore_update_interval: 'result',
  galore_scale: 'result',
  galore_proj_type: 'result',
  use_apollo: 'result',
  apollo_target: 'result',
  apollo_rank: 'result',
  apollo_update_interval: 'result',
  apollo_scale: 'result',
  apollo_proj: 'result',
  apollo_proj_type: 'result',
  apollo_scale_type: 'result',
  apollo_scale_front: 'result',
  use_badam: 'result',
  badam_start_block: 'result',
  badam_switch_mode: 'result',
  badam_switch_interval: 'result',
  use_adam_mini: 'result',
  use_muon: 'result',
  use_dft_loss: 'result',
  use_asft_loss: 'result',
  asft_alpha: 'result',
  use_eaft_loss: 'result',
  eaft_alpha: 'result',
  compute_accuracy: 'selection',
  disable_shuffling: 'result',
  early_stopping_steps: 'result',
  plot_loss: 'none',
  include_effective_tokens_per_second: 'none',
  // training
  output_dir: 'none',
  overwrite_output_dir: 'none',
  do_train: 'none',
  do_eval: 'none',
  do_predict: 'none',
  predict_with_generate: 'none',
  eval_strategy: 'selection',
  eval_steps: 'selection',
  eval_on_start: 'selection',
  per_device_train_batch_size: 'result',
  per_device_eval_batch_size: 'none',
  gradient_accumulation_steps: 'result',
  optim: 'result',
  optim_args: 'result',
  learning_rate: 'result',
  weight_decay: 'result',
  adam_beta1: 'result',
  adam_beta2: 'result',
  adam_epsilon: 'result',
  max_grad_norm: 'result',
  num_train_epochs: 'length',
  max_steps: 'length',
  lr_scheduler_type: 'result',
  lr_scheduler_kwargs: 'result',
  warmup_steps: 'result',
  warmup_ratio: 'result',
  bf16: 'result',
  fp16: 'result',
  logging_steps: 'none',
  logging_first_step: 'none',
  save_strategy: 'selection',
  save_steps: 'selection',
  save_total_limit: 'none',
  save_only_model: 'none',
  load_best_model_at_end: 'result',
  metric_for_best_model: 'selection',
  greater_is_better: 'selection',
  neftune_noise_alpha: 'result',
  moe_aux_loss_coef: 'result',
  seed: 'result',
  data_seed: 'result',
  dataloader_drop_last: 'result',
  resume_from_checkpoint: 'none',
  run_name: 'none',
  include_num_input_tokens_seen: 'none',
  // generating: samples and predictions only, but for the stages that learn from what they generate
  do_sample: 'none',
  temperature: 'none',
  top_p: 'none',
  top_k: 'none',
  max_new_tokens: 'none',
  repetition_penalty: 'none',
  skip_special_tokens: 'none',
  // our own
  backend: 'result',
  residual_policy: 'result',
  spill_dir: 'none',
  memory: 'none',
  ignore_plan: 'none',
  // The bits are the same.
  stream_base: 'none',
  allow_drift: 'none',
  extend: 'none',
  sample_prompts: 'none',
  eval_samples: 'none',
  num_generations: 'result',
  num_iterations: 'result',
  grpo_beta: 'result',
  grpo_epsilon: 'result',
  grpo_epsilon_high: 'result',
  grpo_loss_type: 'result',
  scale_rewards: 'result',
  importance_sampling_level: 'result',
  mask_truncated_completions: 'result',
  reward_functions: 'result',
  reward_weights: 'result',
  reward_timeout: 'none',
  reward_retries: 'none',
  logged_completions: 'none',
  eval_metrics: 'selection',
};

/** What the rows that stages ppo and grpo learn from are drawn by. */
const SAMPLING: ReadonlySet<string> = new Set([
  'do_sample',
  'temperature',
  'top_p',
  'top_k',
  'max_new_tokens',
  'repetition_penalty',
]);

function effectOf(key: string): Effect {
  return Object.hasOwn(EFFECTS, key) ? EFFECTS[key as keyof TrainArgs] : 'result';
}

/** Never written to a file. */
const SECRET_KEYS = new Set(['hf_hub_token']);

export interface StoredConfig {
  args: Record<string, unknown>;
  /** Hex SHA-256 over all keys but secrets, in canonical order. */
  hash: string;
}

export interface ConfigChange {
  key: string;
  before: unknown;
  after: unknown;
  effect: Effect;
  /** True when a run that goes on with it would end in other weights than either configuration gives alone. */
  drifts: boolean;
}

export async function writeResolvedConfig(outputDir: string, args: TrainArgs): Promise<StoredConfig> {
  const hash = configHash(args);
  await writeAtomic(join(outputDir, RESOLVED_CONFIG_FILE), formatResolvedConfig(args));
  return { args: withoutSecrets(args), hash };
}

/** YAML that `tunesmith train` takes as its input file, under a comment with the hash. */
export function formatResolvedConfig(args: TrainArgs): string {
  return `# sha256 ${configHash(args)}\n${stringify(withoutSecrets(args), { lineWidth: 0 })}`;
}

/** Hex SHA-256 over every key and value but secrets; the order of keys does not matter. */
export function configHash(args: object): string {
  return createHash('sha256')
    .update(canonical(withoutSecrets(args)))
    .digest('hex');
}

/** As `configHash`, over the keys alone that change the result of a step. */
export function resultHash(args: TrainArgs): string {
  return configHash(
    Object.fromEntries(Object.entries(args).filter(([key]) => EFFECTS[key as keyof TrainArgs] === 'result')),
  );
}

/** The stored configuration of a folder, or null where there is none. */
export async function readResolvedConfig(outputDir: string): Promise<StoredConfig | null> {
  const path = join(outputDir, RESOLVED_CONFIG_FILE);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw diskError(error, 'read', path);
  }
  let args: unknown;
  let why = 'no mapping of keys to values';
  try {
    args = parse(text);
  } catch (error) {
    why = (error as Error).message;
  }
  if (args === null || typeof args !== 'object' || Array.isArray(args)) throw unreadable(path, why);
  const hash = configHash(args);
  const written = /^# sha256 ([0-9a-f]{64})$/m.exec(text)?.[1];
  if (written !== hash)
    throw unreadable(path, `the hash ${hash} where its first line says ${written ?? 'none'}`);
  return { args: args as Record<string, unknown>, hash };
}

/** Keys whose values differ, in the table's order; a key that only one side has counts as null on the other. */
export function diffConfigs(before: object, after: object): ConfigChange[] {
  const old = withoutSecrets(before);
  const now = withoutSecrets(after);
  const chooses = [old, now].some(
    (args) => args.load_best_model_at_end === true || (args.early_stopping_steps ?? null) !== null,
  );
  const samples = [old, now].some(({ stage }) => stage === 'ppo' || stage === 'grpo');
  const changes: ConfigChange[] = [];
  for (const key of new Set([...Object.keys(EFFECTS), ...Object.keys(old), ...Object.keys(now)])) {
    const [a, b] = [old[key] ?? null, now[key] ?? null];
    if (canonical(a) === canonical(b)) continue;
    const effect = samples && SAMPLING.has(key) ? 'result' : effectOf(key);
    changes.push({
      key,
      before: a,
      after: b,
      effect,
      drifts: effect === 'selection' ? chooses : effect !== 'none',
    });
  }
  return changes;
}

/** One line per change, fit for a terminal: `learning_rate: 0.00005 → 0.0001 (changes the result)`. */
export function describeChange(change: ConfigChange): string {
  const meaning: Record<Effect, string> = {
    result: 'changes the result',
    length: 'changes the length of the run and its learning-rate schedule',
    selection: change.drifts ? 'changes which checkpoint is chosen' : 'does not change the weights',
    none: 'does not change the weights',
  };
  return `${change.key}: ${JSON.stringify(change.before)} → ${JSON.stringify(change.after)} (${meaning[change.effect]})`;
}

export function withoutSecrets(args: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(args).filter(([key]) => !SECRET_KEYS.has(key)));
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    entries.sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join(',')}}`;
  }
  return JSON.stringify(value ?? null);
}

function unreadable(path: string, found: string): FactoryError {
  return new FactoryError({
    code: 'STORE_CHECKPOINT_DAMAGED',
    message: `${path}: expected the configuration that an earlier run wrote, found ${found}`,
    remedy: 'Restore the file, or set overwrite_output_dir to start anew.',
    details: { path },
  });
}
