// In: typed values as given or defaulted. Out: the final training arguments, and a note for each value that follows
// from another key or that the reader may expect to act and that does not. It refuses nothing.
import type { ArgNote, TrainArgs } from '#factory/records/train-args.ts';
import { SAME_OPTIMISER } from './optim-values.ts';

/** Values before derivation: the keys of TrainArgs, where null may still mean "follows from other keys". */
type Undecided = { [K in keyof TrainArgs]: TrainArgs[K] | null };

export function deriveArgs(
  values: Record<string, unknown>,
  given: Record<string, unknown>,
): { args: TrainArgs; notes: ArgNote[] } {
  const notes: ArgNote[] = [];
  // The table's types guarantee the fields; only the nulls below are still open.
  const args = { ...values } as unknown as Undecided;
  const say = (key: string, text: string, kind: ArgNote['kind'] = 'derived') =>
    notes.push({ key, kind, text });
  const isGiven = (key: string) => Object.hasOwn(given, key);

  if (args.output_dir === null || !isGiven('output_dir')) {
    args.output_dir = 'trainer_output';
    say('output_dir', 'output_dir = trainer_output, the default');
  }
  if ((args.stage as string) === 'orpo') {
    args.stage = 'dpo';
    args.pref_loss = 'orpo';
    say('stage', 'stage orpo is written stage dpo with pref_loss orpo today', 'translated');
  }
  if (args.lora_alpha === null) {
    args.lora_alpha = 2 * (args.lora_rank ?? 0);
    if (args.finetuning_type === 'lora') say('lora_alpha', `lora_alpha = ${args.lora_alpha} (2 x lora_rank)`);
  }
  // The value stays null: as in LLaMA-Factory, only a written `true` takes one token off cutoff_len.
  if (args.packing === null && args.stage === 'pt') {
    say(
      'packing',
      'texts are packed into full sequences, the default of stage pt; packing: false keeps them apart',
    );
  }
  const same = SAME_OPTIMISER[args.optim ?? ''];
  if (same !== undefined) {
    say('optim', `optim ${args.optim} is read as ${same}, which computes the same`, 'translated');
    args.optim = same;
  }
  if (args.neat_packing && !args.packing && args.stage === 'sft') {
    args.packing = true;
    say('packing', 'packing = true, because neat_packing is set');
  }
  if (args.use_llama_pro && !isGiven('freeze_trainable_layers')) {
    say(
      'freeze_trainable_layers',
      `use_llama_pro trains freeze_trainable_layers = ${args.freeze_trainable_layers} expanded blocks, the default; commands of LLaMA-Factory until v0.5.3 meant 3`,
    );
  }
  if (args.stage === 'grpo') deriveSampling(args, isGiven, say);
  deriveSteps(args, isGiven, say);
  deriveEvaluation(args, isGiven, say);

  for (const key of ['bf16', 'fp16'] as const) {
    if (args[key]) {
      say(
        key,
        `on a CPU ${key} only says how frozen weights are stored (16 bits); computing and trained weights are float32`,
        'info',
      );
    }
  }
  noteIdleKeys(args, given, say);
  return { args: args as TrainArgs, notes };
}

type Say = (key: string, text: string, kind?: ArgNote['kind']) => void;

/** Ratios are of the whole distribution, so answers are drawn from it, as in TRL. */
function deriveSampling(args: Undecided, isGiven: (key: string) => boolean, say: Say): void {
  const whole = { temperature: 1, top_p: 1, top_k: 0 };
  const keys = (['temperature', 'top_p', 'top_k'] as const).filter((key) => !isGiven(key));
  for (const key of keys) args[key] = whole[key];
  if (keys.length > 0)
    say(keys[0]!, `${keys.map((key) => `${key} = ${whole[key]}`).join(', ')}, the default of stage grpo`);
}

function deriveSteps(args: Undecided, isGiven: (key: string) => boolean, say: Say): void {
  const ratio = args.warmup_ratio ?? 0;
  if (ratio > 0 && (args.warmup_steps ?? 0) > 0) {
    args.warmup_ratio = 0;
    say('warmup_ratio', `warmup_ratio gives way to warmup_steps ${args.warmup_steps}`, 'no_effect');
  } else if (ratio > 0 && ratio < 1) {
    args.warmup_steps = ratio;
    say(
      'warmup_steps',
      `warmup_ratio is written warmup_steps today: ${ratio} is a share of all steps`,
      'translated',
    );
  }
  if ((args.max_steps ?? 0) > 0 && isGiven('num_train_epochs')) {
    say('num_train_epochs', `num_train_epochs gives way to max_steps ${args.max_steps}`, 'no_effect');
  }
  if (args.max_steps === 0) args.max_steps = -1;
}

function deriveEvaluation(args: Undecided, isGiven: (key: string) => boolean, say: Say): void {
  if (args.eval_strategy !== 'no' && !args.do_eval) {
    args.do_eval = true;
    say('do_eval', `do_eval = true, because eval_strategy is ${args.eval_strategy}`);
  }
  if (args.eval_strategy === 'steps' && args.eval_steps === null) {
    args.eval_steps = args.logging_steps;
    say('eval_steps', `eval_steps = ${args.eval_steps}, the value of logging_steps`);
  }
  const hasHeldOut = (args.val_size ?? 0) > 0 || (args.eval_dataset ?? []).length > 0;
  if (hasHeldOut && !args.do_eval && !args.do_predict) {
    say(
      'eval_strategy',
      'rows are held out but nothing evaluates them; set eval_strategy to steps or epoch',
      'info',
    );
  }
  if (args.metric_for_best_model === null)
    args.metric_for_best_model = learnsFromRewards(args) ? 'reward' : 'loss';
  if (args.greater_is_better === null) {
    args.greater_is_better = !args.metric_for_best_model.endsWith('loss');
    if (isGiven('metric_for_best_model')) {
      say(
        'greater_is_better',
        `greater_is_better = ${args.greater_is_better}, for ${args.metric_for_best_model}`,
      );
    }
  }
  if (args.early_stopping_steps !== null && !args.load_best_model_at_end) {
    say(
      'early_stopping_steps',
      'training may stop early, and the last weights are kept; load_best_model_at_end keeps the best',
      'info',
    );
  }
}

const REWARD_KEYS = [
  'reward_model',
  'reward_model_adapters',
  'reward_model_quantization_bit',
  'reward_functions',
  'reward_weights',
  'reward_timeout',
  'reward_retries',
  'logged_completions',
];
const GRPO_KEYS = [
  'num_generations',
  'num_iterations',
  'grpo_beta',
  'grpo_epsilon',
  'grpo_epsilon_high',
  'grpo_loss_type',
  'scale_rewards',
  'importance_sampling_level',
  'mask_truncated_completions',
];

/** Keys of the stages that compare answers or learn from rewards, and when they act. */
const PREFERENCE_KEYS: readonly [key: string, needed: string, acts: (args: Undecided) => boolean][] = [
  ['pref_beta', 'stage dpo or kto', comparesAnswers],
  ['pref_ftx', 'stage dpo or kto', comparesAnswers],
  [
    'ref_model',
    'stage dpo (but for pref_loss orpo and simpo), kto, ppo, or grpo with grpo_beta above 0',
    hasReference,
  ],
  ['ref_model_adapters', 'ref_model', (args) => hasReference(args) && args.ref_model !== null],
  ['ref_model_quantization_bit', 'ref_model', (args) => hasReference(args) && args.ref_model !== null],
  ['pref_loss', 'stage dpo', ({ stage }) => stage === 'dpo'],
  ['pref_bco_weight', 'stage dpo with a reference', (args) => args.stage === 'dpo' && hasReference(args)],
  ['ld_alpha', 'stage dpo', ({ stage }) => stage === 'dpo'],
  ['dpo_label_smoothing', 'stage dpo', ({ stage }) => stage === 'dpo'],
  ['simpo_gamma', 'pref_loss simpo', (args) => args.stage === 'dpo' && args.pref_loss === 'simpo'],
  ['kto_chosen_weight', 'stage kto', ({ stage }) => stage === 'kto'],
  ['kto_rejected_weight', 'stage kto', ({ stage }) => stage === 'kto'],
  [
    'lora_dropout',
    'a stage other than dpo, kto, ppo and grpo, which compare probabilities without noise',
    isNoisy,
  ],
  ...REWARD_KEYS.map((key): [string, string, typeof learnsFromRewards] => [
    key,
    'stage ppo or grpo',
    learnsFromRewards,
  ]),
  ...['ppo_buffer_size', 'ppo_epochs', 'ppo_score_norm', 'ppo_target', 'ppo_whiten_rewards'].map(
    (key): [string, string, typeof learnsFromRewards] => [key, 'stage ppo', ({ stage }) => stage === 'ppo'],
  ),
  ...GRPO_KEYS.map((key): [string, string, typeof learnsFromRewards] => [
    key,
    'stage grpo',
    ({ stage }) => stage === 'grpo',
  ]),
];

function learnsFromRewards({ stage }: Undecided): boolean {
  return stage === 'ppo' || stage === 'grpo';
}

function comparesAnswers({ stage }: Undecided): boolean {
  return stage === 'dpo' || stage === 'kto';
}

function hasReference({ stage, pref_loss, grpo_beta }: Undecided): boolean {
  if (stage === 'dpo') return pref_loss !== 'orpo' && pref_loss !== 'simpo';
  return stage === 'kto' || stage === 'ppo' || (stage === 'grpo' && grpo_beta !== 0);
}

function isNoisy(args: Undecided): boolean {
  return !(comparesAnswers(args) || learnsFromRewards(args)) || args.lora_dropout === 0;
}

const LORA_ONLY = [
  'lora_rank',
  'lora_alpha',
  'lora_dropout',
  'lora_target',
  'create_new_adapter',
  'additional_target',
];
const FREEZE_ONLY = ['freeze_trainable_layers', 'freeze_trainable_modules', 'freeze_extra_modules'];

/** Keys that act only with another one, by the beginning of their names. */
const IDLE_WITHOUT: [string, keyof TrainArgs][] = [
  ['galore_', 'use_galore'],
  ['apollo_', 'use_apollo'],
  ['loftq_iter', 'loftq_init'],
  ['badam_', 'use_badam'],
  ['asft_alpha', 'use_asft_loss'],
  ['eaft_alpha', 'use_eaft_loss'],
  ['loraplus_lr_embedding', 'loraplus_lr_ratio'],
];

function noteIdleKeys(args: Undecided, given: Record<string, unknown>, say: Say): void {
  const idle = [
    ...(args.pissa_init ? [] : ['pissa_iter', 'pissa_convert'].map((key) => [key, 'pissa_init'])),
    ...IDLE_WITHOUT.filter(([, needed]) => !args[needed]).flatMap(([prefix, needed]) =>
      Object.keys(args)
        .filter((key) => key.startsWith(prefix))
        .map((key) => [key, needed]),
    ),
    ...(args.finetuning_type === 'lora' ? [] : LORA_ONLY.map((key) => [key, 'finetuning_type lora'])),
    ...(args.finetuning_type === 'freeze'
      ? []
      : FREEZE_ONLY.filter((key) => !args.use_llama_pro || key !== 'freeze_trainable_layers').map((key) => [
          key,
          'finetuning_type freeze',
        ])),
    ...PREFERENCE_KEYS.filter(([, , acts]) => !acts(args)).map(([key, needed]) => [key, needed]),
    ...(args.load_best_model_at_end || args.early_stopping_steps !== null
      ? []
      : [['metric_for_best_model', 'load_best_model_at_end or early_stopping_steps']]),
    ...(args.quantization_bit === 4
      ? []
      : ['quantization_type', 'double_quantization'].map((key) => [key, 'quantization_bit 4'])),
  ];
  for (const [key, needed] of idle) {
    if (Object.hasOwn(given, key!) && given[key!] !== null && given[key!] !== false) {
      say(key!, `${key} has no effect: it acts only with ${needed}`, 'no_effect');
    }
  }
}
