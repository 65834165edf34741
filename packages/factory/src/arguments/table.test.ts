import { describe, expect, it } from 'vitest';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { coerce } from './coerce.ts';
import { ARG_TABLE, GROUP_TITLES } from './table.ts';
import { DATA_KEYS, EVALUATION_KEYS, GENERATING_KEYS } from './table-data.ts';
import { FINETUNING_KEYS } from './table-finetuning.ts';
import { MODEL_KEYS } from './table-model.ts';
import { OLDER_KEYS, OWN_KEYS } from './table-own.ts';
import { LAUNCH_KEYS, MEGATRON_KEYS, TRAINER_REST_KEYS } from './table-trainer-rest.ts';
import { TRAINING_KEYS } from './table-training.ts';

function names(text: string): string[] {
  return text.trim().split(/\s+/);
}

const MODEL = names(`
  model_name_or_path adapter_name_or_path adapter_folder cache_dir use_fast_tokenizer resize_vocab
  split_special_tokens add_tokens add_special_tokens new_special_tokens_config init_special_tokens
  model_revision low_cpu_mem_usage rope_scaling flash_attn shift_attn mixture_of_depths use_unsloth
  use_unsloth_gc enable_liger_kernel moe_aux_loss_coef disable_gradient_checkpointing use_reentrant_gc
  upcast_layernorm upcast_lmhead_output train_from_scratch infer_backend offload_folder use_kv_cache
  use_v1_kernels infer_dtype hf_hub_token ms_hub_token om_hub_token print_param_status trust_remote_code
  quantization_method quantization_bit quantization_type double_quantization quantization_device_map
  image_max_pixels image_min_pixels image_do_pan_and_scan crop_to_patches video_max_pixels
  video_min_pixels video_fps video_maxlen use_audio_in_video audio_sampling_rate export_dir export_size
  export_device export_quantization_bit export_quantization_dataset export_quantization_nsamples
  export_quantization_maxlen export_legacy_format export_hub_model_id vllm_maxlen vllm_gpu_util
  vllm_enforce_eager vllm_max_lora_rank vllm_config sglang_maxlen sglang_mem_fraction sglang_tp_size
  sglang_config sglang_lora_backend use_kt kt_cpu_activation kt_weight_path kt_non_expert_weight_path
  kt_expert_checkpoint_path kt_use_lora_experts kt_lora_expert_num kt_lora_expert_intermediate_size
  _kt_inference_config _kt_config_handle _kt_adapter_artifact_path compute_dtype device_map
  model_max_length block_diag_attn
`);
const DATA = names(`
  template dataset eval_dataset dataset_dir media_dir cutoff_len train_on_prompt mask_history streaming
  buffer_size mix_strategy interleave_probs overwrite_cache preprocessing_batch_size
  preprocessing_num_workers max_samples eval_num_beams ignore_pad_token_for_loss val_size
  eval_on_each_dataset packing neat_packing tool_format default_system enable_thinking preserve_thinking
  tokenized_path data_shared_file_system
`);
const FINETUNING = names(`
  freeze_trainable_layers freeze_trainable_modules freeze_extra_modules additional_target lora_alpha
  lora_dropout lora_rank lora_target loraplus_lr_ratio loraplus_lr_embedding use_rslora use_dora
  pissa_init pissa_iter pissa_convert create_new_adapter module_dropout oft_rank oft_block_size oft_target
  pref_beta pref_ftx pref_bco_weight pref_loss dpo_label_smoothing kto_chosen_weight kto_rejected_weight
  simpo_gamma ppo_buffer_size ppo_epochs ppo_score_norm ppo_target ppo_whiten_rewards ref_model
  ref_model_adapters ref_model_quantization_bit reward_model reward_model_adapters
  reward_model_quantization_bit reward_model_type ld_alpha use_galore galore_target galore_rank
  galore_update_interval galore_scale galore_proj_type galore_layerwise use_apollo apollo_target
  apollo_rank apollo_update_interval apollo_scale apollo_proj apollo_proj_type apollo_scale_type
  apollo_layerwise apollo_scale_front use_badam badam_mode badam_start_block badam_switch_mode
  badam_switch_interval badam_update_ratio badam_mask_mode badam_verbose use_swanlab swanlab_project
  swanlab_workspace swanlab_run_name swanlab_mode swanlab_api_key swanlab_logdir swanlab_lark_webhook_url
  swanlab_lark_secret pure_bf16 stage finetuning_type use_llama_pro use_adam_mini use_mca
  use_megatron_bridge megatron_bridge_args use_hyper_parallel hyper_parallel_args hyper_parallel_cp_size
  use_muon use_dft_loss use_asft_loss asft_alpha use_eaft_loss eaft_alpha freeze_vision_tower
  freeze_multi_modal_projector freeze_language_model compute_accuracy disable_shuffling
  early_stopping_steps plot_loss include_effective_tokens_per_second
`);
const GENERATING = names(`
  do_sample temperature top_p top_k num_beams max_length max_new_tokens repetition_penalty length_penalty
  skip_special_tokens
`);
const EVALUATION = names(`
  task task_dir batch_size seed lang n_shot save_dir download_mode
`);
const EXTRA_TRAINING = names(`
  ray_num_workers ray_init_kwargs master_addr master_port enable_torch_profiler profiler_output_dir
  profiler_wait_steps profiler_warmup_steps profiler_active_steps profiler_repeat profiler_record_shapes
  profiler_profile_memory profiler_with_stack profile_modules fp8 fp8_backend
  fp8_enable_fsdp_float8_all_gather overwrite_output_dir
`);
const MEGATRON = names(`
  tensor_model_parallel_size pipeline_model_parallel_size expert_model_parallel_size context_parallel_size
  virtual_pipeline_model_parallel_size sequence_parallel recompute_granularity recompute_method
  recompute_num_layers account_for_embedding_in_pipeline_split account_for_loss_in_pipeline_split
  bias_activation_fusion apply_rope_fusion masked_softmax_fusion cross_entropy_loss_fusion
  moe_grouped_gemm moe_token_dispatcher_type calculate_per_token_loss use_distributed_optimizer
  overlap_param_gather overlap_grad_reduce use_packed_sequences mixed_precision
  megatron_pretrained_checkpoint export_hf_on_finish extra_config
`);
const HUGGING_FACE = names(`
  output_dir do_train do_eval do_predict eval_strategy eval_steps eval_delay eval_on_start
  eval_accumulation_steps batch_eval_metrics per_device_train_batch_size per_device_eval_batch_size
  gradient_accumulation_steps learning_rate weight_decay adam_beta1 adam_beta2 adam_epsilon max_grad_norm
  num_train_epochs max_steps lr_scheduler_type lr_scheduler_kwargs warmup_steps warmup_ratio optim
  optim_args bf16 fp16 bf16_full_eval fp16_full_eval tf32 gradient_checkpointing neftune_noise_alpha
  label_smoothing_factor average_tokens_across_devices logging_strategy logging_steps logging_first_step
  save_strategy save_steps save_total_limit save_only_model load_best_model_at_end metric_for_best_model
  greater_is_better report_to run_name project trackio_space_id seed data_seed full_determinism
  dataloader_num_workers dataloader_pin_memory dataloader_drop_last dataloader_persistent_workers
  ddp_timeout ddp_find_unused_parameters deepspeed fsdp fsdp_config resume_from_checkpoint
  ignore_data_skip auto_find_batch_size include_num_input_tokens_seen torch_compile torch_compile_backend
  torch_compile_mode push_to_hub hub_model_id hub_token hub_private_repo hub_strategy use_cpu
  remove_unused_columns predict_with_generate generation_max_length generation_num_beams sortish_sampler
  enable_jit_checkpoint
`);
const HUGGING_FACE_REST = names(`
  prediction_loss_only torch_empty_cache_steps log_level log_level_replica log_on_each_node logging_dir
  logging_nan_inf_filter save_safetensors save_on_each_node restore_callback_states_from_checkpoint
  use_mps_device jit_mode_eval use_ipex fp16_opt_level half_precision_backend local_rank ddp_backend
  tpu_num_cores tpu_metrics_debug debug dataloader_prefetch_factor past_index disable_tqdm label_names
  fsdp_min_num_params fsdp_transformer_layer_cls_to_wrap accelerator_config parallelism_config
  length_column_name ddp_bucket_cap_mb ddp_broadcast_buffers skip_memory_metrics
  use_legacy_prediction_loop hub_always_push hub_revision gradient_checkpointing_kwargs
  include_inputs_for_metrics include_for_metrics eval_do_concat_batches mp_parameters torchdynamo
  ray_scope include_tokens_per_second optim_target_modules use_liger_kernel liger_kernel_config
  eval_use_gather_object dispatch_batches split_batches generation_config train_sampling_strategy
`);
const REMOVED = names(`
  source_prefix split reserved_label_len visual_inputs train_mm_proj_only lora_bf16_mode
  disable_version_checking ray_run_name ray_storage_path ray_storage_filesystem resources_per_worker
  placement_strategy
`);

/** Complete by its type: leaving out a field of TrainArgs does not compile. */
const TRAIN_ARGS: Record<keyof TrainArgs, true> = {
  model_name_or_path: true,
  adapter_name_or_path: true,
  cache_dir: true,
  model_revision: true,
  hf_hub_token: true,
  rope_scaling: true,
  train_from_scratch: true,
  split_special_tokens: true,
  moe_aux_loss_coef: true,
  disable_gradient_checkpointing: true,
  quantization_bit: true,
  quantization_method: true,
  quantization_type: true,
  double_quantization: true,
  template: true,
  template_version: true,
  dataset: true,
  eval_dataset: true,
  dataset_dir: true,
  cutoff_len: true,
  train_on_prompt: true,
  mask_history: true,
  mix_strategy: true,
  interleave_probs: true,
  overwrite_cache: true,
  preprocessing_batch_size: true,
  max_samples: true,
  val_size: true,
  packing: true,
  neat_packing: true,
  tool_format: true,
  default_system: true,
  enable_thinking: true,
  preserve_thinking: true,
  tokenized_path: true,
  ignore_pad_token_for_loss: true,
  max_dropped_fraction: true,
  sealed_test: true,
  stage: true,
  finetuning_type: true,
  freeze_trainable_layers: true,
  freeze_trainable_modules: true,
  freeze_extra_modules: true,
  lora_alpha: true,
  lora_dropout: true,
  lora_rank: true,
  lora_target: true,
  loraplus_lr_ratio: true,
  loraplus_lr_embedding: true,
  use_rslora: true,
  use_dora: true,
  pissa_init: true,
  loftq_init: true,
  loftq_iter: true,
  pissa_iter: true,
  pissa_convert: true,
  additional_target: true,
  use_llama_pro: true,
  create_new_adapter: true,
  pref_beta: true,
  pref_ftx: true,
  pref_bco_weight: true,
  pref_loss: true,
  dpo_label_smoothing: true,
  kto_chosen_weight: true,
  kto_rejected_weight: true,
  simpo_gamma: true,
  ref_model: true,
  ref_model_adapters: true,
  ref_model_quantization_bit: true,
  ld_alpha: true,
  use_galore: true,
  galore_target: true,
  galore_rank: true,
  galore_update_interval: true,
  galore_scale: true,
  galore_proj_type: true,
  use_apollo: true,
  apollo_target: true,
  apollo_rank: true,
  apollo_update_interval: true,
  apollo_scale: true,
  apollo_proj: true,
  apollo_proj_type: true,
  apollo_scale_type: true,
  apollo_scale_front: true,
  use_badam: true,
  badam_start_block: true,
  badam_switch_mode: true,
  badam_switch_interval: true,
  use_adam_mini: true,
  use_muon: true,
  use_dft_loss: true,
  use_asft_loss: true,
  asft_alpha: true,
  use_eaft_loss: true,
  eaft_alpha: true,
  compute_accuracy: true,
  disable_shuffling: true,
  early_stopping_steps: true,
  plot_loss: true,
  include_effective_tokens_per_second: true,
  output_dir: true,
  overwrite_output_dir: true,
  do_train: true,
  do_eval: true,
  do_predict: true,
  predict_with_generate: true,
  eval_strategy: true,
  eval_steps: true,
  eval_on_start: true,
  per_device_train_batch_size: true,
  per_device_eval_batch_size: true,
  gradient_accumulation_steps: true,
  optim: true,
  optim_args: true,
  learning_rate: true,
  weight_decay: true,
  adam_beta1: true,
  adam_beta2: true,
  adam_epsilon: true,
  max_grad_norm: true,
  num_train_epochs: true,
  max_steps: true,
  lr_scheduler_type: true,
  lr_scheduler_kwargs: true,
  warmup_steps: true,
  warmup_ratio: true,
  bf16: true,
  fp16: true,
  logging_steps: true,
  logging_first_step: true,
  save_strategy: true,
  save_steps: true,
  save_total_limit: true,
  save_only_model: true,
  load_best_model_at_end: true,
  metric_for_best_model: true,
  greater_is_better: true,
  neftune_noise_alpha: true,
  seed: true,
  data_seed: true,
  dataloader_drop_last: true,
  resume_from_checkpoint: true,
  run_name: true,
  include_num_input_tokens_seen: true,
  do_sample: true,
  temperature: true,
  top_p: true,
  top_k: true,
  max_new_tokens: true,
  repetition_penalty: true,
  skip_special_tokens: true,
  backend: true,
  residual_policy: true,
  spill_dir: true,
  memory: true,
  ignore_plan: true,
  stream_base: true,
  allow_drift: true,
  extend: true,
  sample_prompts: true,
  eval_samples: true,
  ppo_buffer_size: true,
  ppo_epochs: true,
  ppo_score_norm: true,
  ppo_target: true,
  ppo_whiten_rewards: true,
  reward_model: true,
  reward_model_adapters: true,
  reward_model_quantization_bit: true,
  reward_model_type: true,
  num_generations: true,
  num_iterations: true,
  grpo_beta: true,
  grpo_epsilon: true,
  grpo_epsilon_high: true,
  grpo_loss_type: true,
  scale_rewards: true,
  importance_sampling_level: true,
  mask_truncated_completions: true,
  reward_functions: true,
  reward_weights: true,
  reward_timeout: true,
  reward_retries: true,
  logged_completions: true,
  eval_metrics: true,
};

describe('the argument table', () => {
  it.each([
    ['model', MODEL, 85],
    ['data', DATA, 28],
    ['fine-tuning', FINETUNING, 100],
    ['generating', GENERATING, 10],
    ['evaluation', EVALUATION, 8],
    ['extra training', EXTRA_TRAINING, 18],
    ['Megatron-Bridge', MEGATRON, 26],
    ['Hugging Face', HUGGING_FACE, HUGGING_FACE.length],
    ['Hugging Face, rest', HUGGING_FACE_REST, HUGGING_FACE_REST.length],
    ['removed', REMOVED, REMOVED.length],
  ])('knows every %s key', (_, list, count) => {
    expect(list).toHaveLength(count);
    expect(list.filter((name) => !ARG_TABLE.has(name))).toEqual([]);
  });

  it('supports exactly the fields of TrainArgs', () => {
    const supported = [...ARG_TABLE.values()]
      .filter((key) => key.status === 'supported')
      .map((key) => key.name);
    expect(supported.sort()).toEqual(Object.keys(TRAIN_ARGS).sort());
  });

  it('names each key once, and every group has a title', () => {
    const rows = [MODEL_KEYS, DATA_KEYS, FINETUNING_KEYS, TRAINING_KEYS, TRAINER_REST_KEYS, GENERATING_KEYS]
      .concat([OWN_KEYS, EVALUATION_KEYS, LAUNCH_KEYS, MEGATRON_KEYS, OLDER_KEYS])
      .flat();
    expect(rows.map((key) => key.name).sort()).toEqual([...ARG_TABLE.keys()].sort());
    expect(rows.filter((key) => GROUP_TITLES[key.group] === undefined)).toEqual([]);
  });

  it.each([...ARG_TABLE.values()].map((key) => [key.name, key] as const))(
    'has a sound row for %s',
    (_, key) => {
      expect(key.meaning).not.toBe('');
      // A reason is a clause that fits behind "is refused: ".
      if (key.status === 'supported') expect(key.why).toBeUndefined();
      else expect(key.why?.length).toBeGreaterThan(10);
      if (key.default !== null)
        expect(coerce(key.type, key.default)).toEqual({ ok: true, value: key.default });
      for (const value of Object.keys(key.refusedValues ?? {})) expect(key.type.choices).toContain(value);
    },
  );
});
