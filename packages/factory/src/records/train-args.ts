// In: nothing. Out: the resolved arguments of a training run: every key that training acts on, with its final type.
// Names, meanings and defaults are LLaMA-Factory's and Hugging Face's; the table that parses, translates or refuses
// every other known key is arguments/table.ts.

export type Stage = 'pt' | 'sft' | 'rm' | 'dpo' | 'kto' | 'ppo' | 'grpo';
export type GroupLoss = 'grpo' | 'bnpo' | 'dr_grpo' | 'dapo';
export type PreferenceLoss = 'sigmoid' | 'hinge' | 'ipo' | 'orpo' | 'simpo';
export type FinetuningType = 'lora' | 'freeze' | 'full';
export type SchedulerType =
  | 'linear'
  | 'cosine'
  | 'cosine_with_restarts'
  | 'polynomial'
  | 'constant'
  | 'constant_with_warmup'
  | 'inverse_sqrt'
  | 'cosine_with_min_lr'
  | 'warmup_stable_decay';
export type Optim =
  | 'adamw_torch'
  | 'adamw_torch_fused'
  | 'adafactor'
  | 'sgd'
  | 'adagrad'
  | 'rmsprop'
  | 'lion_32bit'
  | 'adamw_8bit';
export type IntervalStrategy = 'no' | 'steps' | 'epoch';

export interface ModelArgs {
  model_name_or_path: string;
  adapter_name_or_path: string[];
  cache_dir: string | null;
  model_revision: string;
  hf_hub_token: string | null;
  rope_scaling: 'linear' | 'dynamic' | 'yarn' | 'llama3' | null;
  train_from_scratch: boolean;
  split_special_tokens: boolean;
  /** Weight of the loss that keeps experts evenly used; null for what config.json says. */
  moe_aux_loss_coef: number | null;
  disable_gradient_checkpointing: boolean;
  /** 4 or 8: frozen layers are quantised as they are loaded. */
  quantization_bit: number | null;
  quantization_method: 'bnb';
  quantization_type: 'nf4' | 'fp4';
  double_quantization: boolean;
}

export interface DataArgs {
  template: string | null;
  /** `latest`, or `v0.6.3` for the strings that train_bash.py-era adapters were trained with. */
  template_version: 'latest' | 'v0.6.3';
  dataset: string[];
  eval_dataset: string[];
  dataset_dir: string;
  cutoff_len: number;
  train_on_prompt: boolean;
  mask_history: boolean;
  mix_strategy: 'concat' | 'interleave_under' | 'interleave_over' | 'interleave_once';
  interleave_probs: number[] | null;
  overwrite_cache: boolean;
  preprocessing_batch_size: number;
  max_samples: number | null;
  val_size: number;
  packing: boolean | null;
  /** Packing without attention from one row to another. */
  neat_packing: boolean;
  tool_format: string | null;
  default_system: string | null;
  enable_thinking: boolean | null;
  preserve_thinking: boolean;
  tokenized_path: string | null;
  ignore_pad_token_for_loss: boolean;
  /** The run stops when more than this share of rows is dropped (0 to 1). */
  max_dropped_fraction: number;
  /** The seal of a test set whose rows are not trained on; null: `sealed-test.json` in dataset_dir, if there. */
  sealed_test: string | null;
}

export interface FinetuningArgs {
  stage: Stage;
  finetuning_type: FinetuningType;
  freeze_trainable_layers: number;
  freeze_trainable_modules: string[];
  freeze_extra_modules: string[];
  lora_alpha: number;
  lora_dropout: number;
  lora_rank: number;
  lora_target: string[];
  /** Learning rate of B over that of A; null trains both alike. */
  loraplus_lr_ratio: number | null;
  loraplus_lr_embedding: number;
  use_rslora: boolean;
  use_dora: boolean;
  pissa_init: boolean;
  /** −1 names the exact decomposition; the vectors are iterated until they stand still in any case. */
  pissa_iter: number;
  pissa_convert: boolean;
  loftq_init: boolean;
  loftq_iter: number;
  /** Modules that are trained and saved whole beside the adapter. */
  additional_target: string[];
  /** Train (freeze) or adapt (lora) only the blocks that block expansion inserted. */
  use_llama_pro: boolean;
  create_new_adapter: boolean;
  pref_beta: number;
  pref_ftx: number;
  pref_bco_weight: number;
  pref_loss: PreferenceLoss;
  dpo_label_smoothing: number;
  kto_chosen_weight: number;
  kto_rejected_weight: number;
  simpo_gamma: number;
  /** A model to compare with; null for the base with the adapter off, or the model as it was before training. */
  ref_model: string | null;
  ref_model_adapters: string[];
  ref_model_quantization_bit: number | null;
  ld_alpha: number | null;
  /** Optimiser steps' worth of prompts that are answered at once. */
  ppo_buffer_size: number;
  /** Times that each answer is learned from. */
  ppo_epochs: number;
  ppo_score_norm: boolean;
  /** Distance from the reference, in nats per answer, that the KL coefficient is steered to. */
  ppo_target: number;
  ppo_whiten_rewards: boolean;
  /** A folder, or the address of a reward server. */
  reward_model: string | null;
  reward_model_adapters: string[];
  reward_model_quantization_bit: number | null;
  reward_model_type: 'lora' | 'full' | 'api';
  use_galore: boolean;
  /** `all`: every linear layer but the output head; else parts of module names. The same for APOLLO. */
  galore_target: string[];
  galore_rank: number;
  galore_update_interval: number;
  galore_scale: number;
  galore_proj_type: 'std' | 'reverse_std' | 'right' | 'left' | 'full';
  use_apollo: boolean;
  apollo_target: string[];
  apollo_rank: number;
  apollo_update_interval: number;
  apollo_scale: number;
  apollo_proj: 'svd' | 'random';
  apollo_proj_type: 'std' | 'right' | 'left';
  apollo_scale_type: 'channel' | 'tensor';
  apollo_scale_front: boolean;
  use_badam: boolean;
  badam_start_block: number | null;
  badam_switch_mode: 'ascending' | 'descending' | 'random' | 'fixed';
  /** Steps per block; -1 never switches. */
  badam_switch_interval: number;
  use_adam_mini: boolean;
  use_muon: boolean;
  use_dft_loss: boolean;
  use_asft_loss: boolean;
  /** Weight of the distance from the model without its adapter. */
  asft_alpha: number;
  use_eaft_loss: boolean;
  eaft_alpha: number;
  compute_accuracy: boolean;
  disable_shuffling: boolean;
  early_stopping_steps: number | null;
  plot_loss: boolean;
  include_effective_tokens_per_second: boolean;
}

export interface TrainingArgs {
  output_dir: string;
  overwrite_output_dir: boolean;
  do_train: boolean;
  do_eval: boolean;
  do_predict: boolean;
  predict_with_generate: boolean;
  eval_strategy: IntervalStrategy;
  /** A share of all steps when below 1; null means logging_steps. */
  eval_steps: number | null;
  eval_on_start: boolean;
  per_device_train_batch_size: number;
  per_device_eval_batch_size: number;
  gradient_accumulation_steps: number;
  optim: Optim;
  optim_args: string | null;
  learning_rate: number;
  weight_decay: number;
  adam_beta1: number;
  adam_beta2: number;
  adam_epsilon: number;
  max_grad_norm: number;
  num_train_epochs: number;
  max_steps: number;
  lr_scheduler_type: SchedulerType;
  lr_scheduler_kwargs: Record<string, number | string | boolean>;
  /** A share of all steps when below 1. */
  warmup_steps: number;
  warmup_ratio: number;
  bf16: boolean;
  fp16: boolean;
  logging_steps: number;
  logging_first_step: boolean;
  save_strategy: IntervalStrategy;
  save_steps: number;
  save_total_limit: number | null;
  save_only_model: boolean;
  load_best_model_at_end: boolean;
  metric_for_best_model: string;
  greater_is_better: boolean;
  neftune_noise_alpha: number | null;
  seed: number;
  data_seed: number | null;
  dataloader_drop_last: boolean;
  /** null: resume by itself when output_dir holds a checkpoint; true: the newest; a path: that one. */
  resume_from_checkpoint: string | boolean | null;
  run_name: string | null;
  include_num_input_tokens_seen: 'no' | 'all' | 'non_padding';
}

export interface GeneratingArgs {
  do_sample: boolean;
  temperature: number;
  top_p: number;
  top_k: number;
  max_new_tokens: number;
  repetition_penalty: number;
  skip_special_tokens: boolean;
}

/** Keys that only Tunesmith has. */
export interface OwnArgs {
  backend: 'cpu' | 'webgpu' | 'cuda' | 'reference';
  residual_policy: 'auto' | 'save' | 'recompute' | 'spill';
  /** The folder for activations on the disk; null for output_dir. */
  spill_dir: string | null;
  /** What the process may take, such as `12GB`; null: what this machine has free. */
  memory: string | null;
  /** Train although the plan says that it does not fit. */
  ignore_plan: boolean;
  /** Frozen layers are read from the disk just before they run. */
  stream_base: boolean;
  /** Continue although the stored configuration differs in keys that change the result. */
  allow_drift: boolean;
  /** Extend a finished run to the epochs or steps given now. */
  extend: boolean;
  /** Sample prompts answered at every evaluation. */
  sample_prompts: string[];
  /** Answer this many evaluation rows at every evaluation. */
  eval_samples: number;
  /** Answers per prompt, which are compared with one another (grpo). */
  num_generations: number;
  /** Times that each answer is learned from (grpo). */
  num_iterations: number;
  /** Weight of the distance from the reference; 0 for no reference. */
  grpo_beta: number;
  grpo_epsilon: number;
  /** Upper bound of the ratio less 1; null for `grpo_epsilon`. */
  grpo_epsilon_high: number | null;
  grpo_loss_type: GroupLoss;
  scale_rewards: 'group' | 'batch' | 'none';
  importance_sampling_level: 'token' | 'sequence';
  mask_truncated_completions: boolean;
  /** `file.ts`, `file.ts:exportName`, or `http://...`. */
  reward_functions: string[];
  /** One per reward, the reward model last; null for 1 each. */
  reward_weights: number[] | null;
  /** Seconds for one call. */
  reward_timeout: number;
  /** Further tries of a reward server. */
  reward_retries: number;
  /** Answers of each round that are kept in completions.jsonl. */
  logged_completions: number;
  /** Metrics of generated answers at evaluations, beside LLaMA-Factory's; with predict_with_generate. */
  eval_metrics: string[];
}

export interface TrainArgs
  extends ModelArgs,
    DataArgs,
    FinetuningArgs,
    TrainingArgs,
    GeneratingArgs,
    OwnArgs {}

/** Something the reader must be told about how their words were understood. */
export interface ArgNote {
  key: string;
  kind: 'translated' | 'derived' | 'no_effect' | 'info';
  text: string;
}
