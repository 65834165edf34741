// In: nothing. Out: the fine-tuning keys of the argument table, in LLaMA-Factory's order.
import {
  type ArgKey,
  bool,
  choice,
  float,
  inGroup,
  int,
  list,
  neverAllowed,
  noEffect,
  optional,
  refused,
  string,
  supported,
} from './key.ts';
import { OPTIMISER_KEYS } from './table-optimisers.ts';

function needs(key: string): string {
  return `it acts only with ${key}, which is not supported yet`;
}

const OFT = needs('finetuning_type oft');
const PPO = needs('stage ppo');
const REWARD = needs('stage ppo');
const SWANLAB = needs('use_swanlab');
const PISSA = needs('pissa_init');
const TEXT_ONLY = 'it acts only on vision models; only text models are trained here';
const MULTI_GPU = 'it is a multi-GPU PyTorch backend; this trainer runs on one machine without PyTorch';

const bits = optional(int(1, 8));

export const FINETUNING_KEYS: ArgKey[] = inGroup('finetuning', [
  supported(
    'freeze_trainable_layers',
    int(),
    2,
    'freeze: n > 0 trains the last n layers, n < 0 the first; with use_llama_pro the number of expanded blocks',
  ),
  supported('freeze_trainable_modules', list, ['all'], 'freeze: module names inside a layer, or all'),
  supported('freeze_extra_modules', list, [], 'freeze: further modules outside the layers'),
  supported(
    'additional_target',
    list,
    [],
    'modules trained and saved whole beside LoRA, such as embed_tokens,lm_head',
  ),
  supported('lora_alpha', optional(int(1)), null, 'LoRA scale numerator; unset = 2 x lora_rank'),
  supported('lora_dropout', float({ min: 0, max: 0.999999 }), 0, 'dropout before the first LoRA matrix'),
  supported('lora_rank', int(1, 65536), 8, 'rank of the LoRA matrices'),
  supported(
    'lora_target',
    list,
    ['all'],
    'LoRA modules: comma list, one regular expression, or all linear layers',
  ),
  supported(
    'loraplus_lr_ratio',
    optional(float({ min: 0, exclusiveMin: true })),
    null,
    'LoRA+: learning rate of B over that of A; unset = the same',
  ),
  supported('loraplus_lr_embedding', float({ min: 0 }), 1e-6, 'LoRA+: learning rate of embedding adapters'),
  supported('use_rslora', bool, false, 'scale by alpha / sqrt(rank)'),
  supported('use_dora', bool, false, 'DoRA: a trained magnitude beside each LoRA pair'),
  refused('pissa_init', bool, false, 'PiSSA initialisation', 'PiSSA initialisation is not supported yet'),
  noEffect('pissa_iter', int(-1), 16, 'PiSSA power iterations', PISSA),
  noEffect('pissa_convert', bool, false, 'convert PiSSA to LoRA on saving', PISSA),
  supported('create_new_adapter', bool, false, 'merge the given adapters, then start a new one'),
  noEffect('module_dropout', float(), 0, 'OFT dropout', OFT),
  noEffect('oft_rank', int(0), 0, 'OFT rank', OFT),
  noEffect('oft_block_size', int(0), 32, 'OFT block size', OFT),
  noEffect('oft_target', list, ['all'], 'OFT modules', OFT),
  supported('pref_beta', float({ min: 0, exclusiveMin: true }), 0.1, 'dpo, kto: beta of the preference loss'),
  supported('pref_ftx', float({ min: 0 }), 0, 'dpo, kto: weight of an added supervised loss'),
  supported('pref_bco_weight', float({ min: 0 }), 0, 'dpo: weight of an added BCO loss'),
  supported(
    'pref_loss',
    choice('sigmoid', 'hinge', 'ipo', 'kto_pair', 'orpo', 'simpo'),
    'sigmoid',
    'dpo: sigmoid, hinge, ipo, orpo or simpo',
    {
      kto_pair: 'LLaMA-Factory takes it and then stops at the first step; stage kto trains on rated answers',
    },
  ),
  supported(
    'dpo_label_smoothing',
    float({ min: 0, max: 1 }),
    0,
    'dpo, sigmoid: share of pairs whose order is wrong',
  ),
  supported('kto_chosen_weight', float({ min: 0 }), 1, 'kto: weight of desirable answers'),
  supported('kto_rejected_weight', float({ min: 0 }), 1, 'kto: weight of undesirable answers'),
  supported('simpo_gamma', float(), 0.5, 'dpo, simpo: margin between the answers'),
  noEffect('ppo_buffer_size', int(1), 1, 'mini-batches per buffer', PPO),
  noEffect('ppo_epochs', int(1), 4, 'inner epochs', PPO),
  noEffect('ppo_score_norm', bool, false, 'normalise scores', PPO),
  noEffect('ppo_target', float(), 6, 'target KL', PPO),
  noEffect('ppo_whiten_rewards', bool, false, 'whiten rewards', PPO),
  supported(
    'ref_model',
    optional(string),
    null,
    'dpo, kto: reference model; unset = the model before training (lora: without its adapter)',
  ),
  supported('ref_model_adapters', list, [], 'dpo, kto: adapters of ref_model'),
  supported('ref_model_quantization_bit', bits, null, 'dpo, kto: keep ref_model in 4 or 8 bits'),
  noEffect('reward_model', optional(string), null, 'reward model', REWARD),
  noEffect('reward_model_adapters', list, null, 'its adapters', REWARD),
  noEffect('reward_model_quantization_bit', bits, null, 'its bits', REWARD),
  noEffect('reward_model_type', choice('lora', 'full', 'api'), 'lora', 'its kind', REWARD),
  supported(
    'ld_alpha',
    optional(float({ min: 0, max: 1 })),
    null,
    'dpo: weight of tokens beyond the shorter answer (LD-DPO)',
  ),
  ...OPTIMISER_KEYS,
  refused(
    'use_swanlab',
    bool,
    false,
    'SwanLab tracking',
    'SwanLab is not supported yet; curves are in trainer_log.jsonl and the loss plot',
  ),
  noEffect('swanlab_project', optional(string), 'llamafactory', 'project', SWANLAB),
  noEffect('swanlab_workspace', optional(string), null, 'workspace', SWANLAB),
  noEffect('swanlab_run_name', optional(string), null, 'run name', SWANLAB),
  noEffect('swanlab_mode', choice('cloud', 'local'), 'cloud', 'cloud or local', SWANLAB),
  noEffect('swanlab_api_key', optional(string), null, 'key', SWANLAB),
  noEffect('swanlab_logdir', optional(string), null, 'log folder', SWANLAB),
  noEffect('swanlab_lark_webhook_url', optional(string), null, 'Lark hook', SWANLAB),
  noEffect('swanlab_lark_secret', optional(string), null, 'Lark secret', SWANLAB),
  refused(
    'pure_bf16',
    bool,
    false,
    'everything in bf16',
    'trained parameters are always float32 here; use bf16, which stores the frozen ones in 16 bits',
  ),
  supported(
    'stage',
    choice('pt', 'sft', 'rm', 'ppo', 'dpo', 'kto', 'orpo'),
    'sft',
    'pt (plain text), sft (answers), dpo (pairs), kto (rated answers) or rm (reward model)',
    {
      ppo: 'PPO is not supported yet; pt, sft, rm, dpo and kto are',
    },
  ),
  supported(
    'finetuning_type',
    choice('lora', 'oft', 'freeze', 'full', 'none'),
    'lora',
    'lora, freeze or full',
    {
      oft: 'orthogonal fine-tuning is not supported yet; lora, freeze and full are',
      none: 'this older value trains nothing; lora, freeze and full train',
    },
  ),
  supported(
    'use_llama_pro',
    bool,
    false,
    'train only the blocks that tunesmith expand inserted (freeze or lora)',
  ),
  supported('use_adam_mini', bool, false, 'Adam-mini optimiser: one second moment per head or row'),
  refused('use_mca', bool, false, 'Megatron core backend', MULTI_GPU),
  refused('use_megatron_bridge', bool, false, 'Megatron-Bridge backend', MULTI_GPU),
  neverAllowed(
    'megatron_bridge_args',
    optional(string),
    null,
    'internal field',
    'the program derives it; it cannot be set',
  ),
  refused('use_hyper_parallel', bool, false, 'HyperParallel backend', MULTI_GPU),
  noEffect(
    'hyper_parallel_args',
    optional(string),
    null,
    'strategy file',
    'it acts only with use_hyper_parallel, which is not supported',
  ),
  refused('hyper_parallel_cp_size', int(1), 1, 'context parallel size', MULTI_GPU),
  supported('use_muon', bool, false, 'Muon optimiser on matrices, AdamW on the rest'),
  supported('use_dft_loss', bool, false, 'sft: weigh tokens by their probability (DFT)'),
  supported('use_asft_loss', bool, false, 'sft: DFT, held near the model without its adapter (ASFT)'),
  supported('asft_alpha', float({ min: 0 }), 0.1, 'ASFT: weight of the distance from that model'),
  supported('use_eaft_loss', bool, false, 'sft: weigh tokens by the entropy of the prediction (EAFT)'),
  supported('eaft_alpha', float({ min: 0 }), 1, 'EAFT: exponent of the weight'),
  noEffect('freeze_vision_tower', bool, true, 'freeze the image encoder', TEXT_ONLY),
  noEffect('freeze_multi_modal_projector', bool, true, 'freeze the projector', TEXT_ONLY),
  noEffect('freeze_language_model', bool, false, 'freeze the language model of a vision model', TEXT_ONLY),
  supported('compute_accuracy', bool, false, 'token accuracy at evaluation'),
  supported('disable_shuffling', bool, false, 'rows in file order'),
  supported(
    'early_stopping_steps',
    optional(int(1)),
    null,
    'stop after this many evaluations without a gain',
  ),
  supported('plot_loss', bool, false, 'write the loss curves as PNG and SVG'),
  supported(
    'include_effective_tokens_per_second',
    bool,
    false,
    'tokens per second without padding in the results',
  ),
]);
