// In: final training arguments. Out: nothing, or one error that lists every rule between keys that they break.
// The rules are LLaMA-Factory's and Hugging Face's for the supported keys; none of them needs the model or the data.
import { FactoryError } from '#factory/errors.ts';
import { parseBytes } from '#factory/records/quantities.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { absent, type Broken, conflict, where } from './broken.ts';
import { baseRules } from './check-base.ts';
import { optimizerRules } from './check-optimizer.ts';
import { reinforcementRules } from './check-reinforcement.ts';
import { variantRules } from './check-variants.ts';

export function checkTrainArgs(args: TrainArgs, given: Record<string, unknown>): void {
  const broken = [
    ...missing(args),
    ...dataRules(args),
    ...finetuningRules(args),
    ...variantRules(args),
    ...reinforcementRules(args),
    ...baseRules(args),
    ...trainingRules(args),
    ...optimizerRules(args),
    ...evaluationRules(args),
    ...bestModelRules(args),
    ...pixelRules(given),
    ...ownRules(args, given),
  ];
  if (broken.length > 0) throw asError(broken);
}

/** The rules for answering with a model: only the model itself, and how it rests. */
export function checkModelArgs(args: TrainArgs): void {
  if (!args.model_name_or_path) throw asError([noModel]);
  const broken = baseRules(args);
  if (broken.length > 0) throw asError(broken);
}

function asError(broken: readonly Broken[]): FactoryError {
  return new FactoryError({
    code: broken[0]!.code,
    message: broken.map((one) => one.message).join('; '),
    remedy: [...new Set(broken.map((one) => one.remedy))].join(' '),
    details: { problems: broken.map(({ code, keys, message }) => ({ code, keys, text: message })) },
  });
}

const noModel = absent(
  'model_name_or_path',
  'model_name_or_path is missing: there is no model to start from',
  'Add --model_name_or_path with a folder or a hub id.',
);

function missing(args: TrainArgs): Broken[] {
  const hasTokenised = args.tokenized_path !== null;
  const hasHeldOut = args.eval_dataset.length > 0 || args.val_size > 0 || hasTokenised;
  return where(
    [!args.model_name_or_path, noModel],
    [
      !args.do_train && !args.do_eval && !args.do_predict,
      absent(
        'do_train',
        'none of do_train, do_eval and do_predict is set: there is nothing to do',
        'Add --do_train.',
      ),
    ],
    [
      args.do_train && args.dataset.length === 0 && !hasTokenised,
      absent(
        'dataset',
        'dataset is missing: there is nothing to train on',
        'Add --dataset with names of dataset_info.json or paths.',
      ),
    ],
    [
      (args.do_eval || args.do_predict || args.predict_with_generate) && !hasHeldOut,
      absent(
        'eval_dataset',
        'evaluation is asked for, but there is neither eval_dataset nor val_size',
        'Add --val_size 0.1 or --eval_dataset.',
      ),
    ],
  );
}

function dataRules(args: TrainArgs): Broken[] {
  const probs = args.interleave_probs;
  const hasNoRows = args.dataset.length === 0 && args.tokenized_path === null;
  return where(
    [
      args.val_size > 0 && hasNoRows,
      conflict(
        ['val_size', 'dataset'],
        'val_size holds out training rows, but dataset is not given',
        'Add --dataset, or use --eval_dataset.',
      ),
    ],
    [
      args.val_size > 0 && args.eval_dataset.length > 0,
      conflict(
        ['val_size', 'eval_dataset'],
        'val_size and eval_dataset exclude each other',
        'Remove val_size or eval_dataset.',
      ),
    ],
    [
      args.val_size >= 1 && !Number.isInteger(args.val_size),
      conflict(
        ['val_size'],
        `val_size ${args.val_size} is neither a share below 1 nor a whole number of rows`,
        'Write a share such as 0.1 or a number of rows such as 100 for val_size.',
      ),
    ],
    [
      probs !== null && args.mix_strategy === 'concat',
      conflict(
        ['interleave_probs', 'mix_strategy'],
        'interleave_probs needs an interleave mix, but mix_strategy is concat',
        'Set mix_strategy to interleave_under, interleave_over or interleave_once.',
      ),
    ],
    [
      probs !== null && args.mix_strategy !== 'concat' && probs.length !== args.dataset.length,
      conflict(
        ['interleave_probs', 'dataset'],
        `interleave_probs has ${probs?.length} numbers for ${args.dataset.length} data sets`,
        'Give interleave_probs one number per data set.',
      ),
    ],
    [
      probs?.some((share) => share < 0) === true ||
        (probs !== null && !(probs.reduce((sum, share) => sum + share, 0) > 0)),
      conflict(
        ['interleave_probs'],
        'interleave_probs must be shares of at least 0 with a sum above 0',
        'Correct interleave_probs.',
      ),
    ],
    [
      args.mask_history && args.train_on_prompt,
      conflict(
        ['mask_history', 'train_on_prompt'],
        'mask_history and train_on_prompt exclude each other',
        'Remove mask_history or train_on_prompt.',
      ),
    ],
    [
      args.stage !== 'sft' && args.neat_packing,
      conflict(
        ['stage', 'neat_packing'],
        `neat_packing is for stage sft only, and stage is ${args.stage}`,
        'Set packing instead of neat_packing, or set stage to sft.',
      ),
    ],
    [
      args.stage !== 'sft' && (args.mask_history || args.train_on_prompt || args.predict_with_generate),
      conflict(
        ['stage', 'mask_history', 'train_on_prompt', 'predict_with_generate'],
        `mask_history, train_on_prompt and predict_with_generate are for stage sft only, and stage is ${args.stage}`,
        'Remove mask_history, train_on_prompt and predict_with_generate, or set stage to sft.',
      ),
    ],
    [
      args.dataset_dir === 'ONLINE' || args.dataset_dir.startsWith('REMOTE:'),
      {
        code: 'ARGS_NOT_SUPPORTED',
        keys: ['dataset_dir'],
        message: `dataset_dir ${args.dataset_dir} is refused: data sets are read from local files only, so far`,
        remedy: 'Download the data and set dataset_dir to the folder that holds dataset_info.json.',
      },
    ],
  );
}

function finetuningRules(args: TrainArgs): Broken[] {
  const type = args.finetuning_type;
  return where(
    [
      args.adapter_name_or_path.length > 0 && type !== 'lora',
      conflict(
        ['adapter_name_or_path', 'finetuning_type'],
        `adapter_name_or_path needs finetuning_type lora, found ${type}`,
        'Set finetuning_type to lora, or remove adapter_name_or_path.',
      ),
    ],
    [
      args.use_llama_pro && type === 'full',
      conflict(
        ['use_llama_pro', 'finetuning_type'],
        'use_llama_pro needs finetuning_type freeze or lora, found full',
        'Set finetuning_type to freeze or lora, or remove use_llama_pro.',
      ),
    ],
    [
      args.use_llama_pro && args.freeze_trainable_layers < 1,
      conflict(
        ['use_llama_pro', 'freeze_trainable_layers'],
        `with use_llama_pro freeze_trainable_layers is the number of expanded blocks, found ${args.freeze_trainable_layers}`,
        'Set freeze_trainable_layers to the num_expand of tunesmith expand.',
      ),
    ],
    [
      !args.use_llama_pro &&
        type === 'freeze' &&
        args.freeze_trainable_layers === 0 &&
        args.freeze_extra_modules.length === 0,
      conflict(
        ['freeze_trainable_layers'],
        'finetuning_type freeze with freeze_trainable_layers 0 trains nothing',
        'Set freeze_trainable_layers to a number other than 0.',
      ),
    ],
    [
      args.dpo_label_smoothing > 0 && args.stage === 'dpo' && args.pref_loss !== 'sigmoid',
      conflict(
        ['dpo_label_smoothing', 'pref_loss'],
        `dpo_label_smoothing is for pref_loss sigmoid only, found ${args.pref_loss}`,
        'Set pref_loss to sigmoid, or remove dpo_label_smoothing.',
      ),
    ],
    [
      args.ref_model_adapters.length > 0 &&
        args.ref_model === null &&
        ['dpo', 'kto', 'ppo', 'grpo'].includes(args.stage),
      absent('ref_model', 'ref_model_adapters are given without their ref_model', 'Add --ref_model.'),
    ],
    [
      ![null, 4, 8].includes(args.ref_model_quantization_bit),
      {
        code: 'ARGS_NOT_SUPPORTED',
        keys: ['ref_model_quantization_bit'],
        message: `ref_model_quantization_bit ${args.ref_model_quantization_bit} is refused: there are 4 and 8 bits`,
        remedy: 'Set ref_model_quantization_bit to 4 or 8.',
      },
    ],
    [
      args.packing === true && !['pt', 'sft'].includes(args.stage),
      conflict(
        ['packing', 'stage'],
        `packing joins rows, which stage ${args.stage} takes one by one`,
        'Remove packing.',
      ),
    ],
    [
      args.train_from_scratch && args.adapter_name_or_path.length > 0,
      conflict(
        ['train_from_scratch', 'adapter_name_or_path'],
        'train_from_scratch makes random weights, which no adapter fits',
        'Remove train_from_scratch or adapter_name_or_path.',
      ),
    ],
  );
}

function trainingRules(args: TrainArgs): Broken[] {
  return where(
    [
      args.bf16 && args.fp16,
      conflict(['bf16', 'fp16'], 'bf16 and fp16 exclude each other', 'Remove bf16 or fp16.'),
    ],
    [
      args.adam_beta1 < 0 || args.adam_beta2 < 0,
      conflict(
        ['adam_beta1', 'adam_beta2'],
        'the AdamW betas must be at least 0',
        'Correct adam_beta1 or adam_beta2.',
      ),
    ],
    [
      args.warmup_steps >= 1 && !Number.isInteger(args.warmup_steps),
      conflict(
        ['warmup_steps'],
        `warmup_steps ${args.warmup_steps} is neither a share below 1 nor a whole number`,
        'Write a whole number of steps for warmup_steps.',
      ),
    ],
    ...(['logging_steps', 'save_steps'] as const).map((key): [boolean, Broken] => [
      !Number.isInteger(args[key]),
      {
        code: 'ARGS_NOT_SUPPORTED',
        keys: [key],
        message: `${key} ${args[key]} is refused: a share of all steps is supported for eval_steps only`,
        remedy: `Write a whole number of steps for ${key}.`,
      },
    ]),
  );
}

function evaluationRules(args: TrainArgs): Broken[] {
  const steps = args.eval_steps;
  return where(
    [
      steps !== null && steps >= 1 && !Number.isInteger(steps),
      conflict(
        ['eval_steps'],
        `eval_steps ${steps} is neither a share below 1 nor a whole number`,
        'Write a whole number of steps for eval_steps.',
      ),
    ],
    [
      args.stage === 'sft' && args.do_predict && !args.predict_with_generate,
      conflict(
        ['do_predict', 'predict_with_generate'],
        'do_predict needs predict_with_generate in stage sft',
        'Add --predict_with_generate.',
      ),
    ],
    [
      args.stage === 'pt' && args.do_predict,
      conflict(
        ['do_predict', 'stage'],
        'do_predict needs answers to compare with, and stage pt has none',
        'Remove do_predict, or use do_eval for the perplexity.',
      ),
    ],
    [
      (args.stage === 'dpo' || args.stage === 'kto') && args.do_predict,
      conflict(
        ['do_predict', 'stage'],
        `do_predict is for stages sft (answers) and rm (scores), and stage is ${args.stage}`,
        'Remove do_predict, or generate answers with the trained adapter by "tunesmith generate".',
      ),
    ],
    [
      args.stage !== 'sft' && args.stage !== 'pt' && args.compute_accuracy,
      conflict(
        ['compute_accuracy', 'stage'],
        `compute_accuracy counts tokens, and stage ${args.stage} has metrics of its own`,
        'Remove compute_accuracy.',
      ),
    ],
    [
      args.predict_with_generate && args.compute_accuracy,
      conflict(
        ['predict_with_generate', 'compute_accuracy'],
        'predict_with_generate and compute_accuracy exclude each other',
        'Remove predict_with_generate or compute_accuracy.',
      ),
    ],
    [
      args.early_stopping_steps !== null && args.eval_strategy === 'no',
      conflict(
        ['early_stopping_steps', 'eval_strategy'],
        'early_stopping_steps counts evaluations, but eval_strategy is no',
        'Set eval_strategy to steps or epoch.',
      ),
    ],
  );
}

const REWARD_METRICS = ['rewards/chosen', 'rewards/rejected', 'rewards/margins'];
const GENERATED_METRICS = ['rouge-1', 'rouge-2', 'rouge-l', 'bleu-4'];

function bestModelRules(args: TrainArgs): Broken[] {
  const choosesBest = args.load_best_model_at_end || args.early_stopping_steps !== null;
  const metric = args.metric_for_best_model.replace(/^(eval|predict)_/, '');
  const known = [
    ...(args.stage === 'ppo' || args.stage === 'grpo' ? ['reward'] : ['loss']),
    ...(args.compute_accuracy || args.stage === 'rm' ? ['accuracy'] : []),
    ...(args.stage === 'dpo' ? [...REWARD_METRICS, 'rewards/accuracies'] : []),
    ...(args.stage === 'kto' ? [...REWARD_METRICS, 'kl'] : []),
    ...(args.predict_with_generate ? [...GENERATED_METRICS, ...args.eval_metrics] : []),
  ];
  const evalSteps = args.eval_steps ?? args.logging_steps;
  return where(
    [
      args.load_best_model_at_end && args.stage === 'rm',
      conflict(
        ['load_best_model_at_end', 'stage'],
        'load_best_model_at_end is refused for stage rm, as in LLaMA-Factory',
        'Remove load_best_model_at_end.',
      ),
    ],
    [
      args.load_best_model_at_end && args.eval_strategy === 'no',
      conflict(
        ['load_best_model_at_end', 'eval_strategy'],
        'load_best_model_at_end compares evaluations, but eval_strategy is no',
        'Set eval_strategy to the value of save_strategy.',
      ),
    ],
    [
      args.load_best_model_at_end && args.eval_strategy !== 'no' && args.eval_strategy !== args.save_strategy,
      conflict(
        ['load_best_model_at_end', 'eval_strategy', 'save_strategy'],
        `load_best_model_at_end needs a checkpoint at every evaluation, but eval_strategy is ${args.eval_strategy} and save_strategy ${args.save_strategy}`,
        'Give eval_strategy and save_strategy the same value.',
      ),
    ],
    [
      args.load_best_model_at_end &&
        args.eval_strategy === 'steps' &&
        args.save_strategy === 'steps' &&
        (evalSteps < 1 || args.save_steps % evalSteps !== 0),
      conflict(
        ['load_best_model_at_end', 'save_steps', 'eval_steps'],
        `load_best_model_at_end needs save_steps to be a multiple of eval_steps, found ${args.save_steps} and ${evalSteps}`,
        'Set save_steps to a multiple of eval_steps, both as whole numbers.',
      ),
    ],
    [
      choosesBest && !known.includes(metric),
      conflict(
        ['metric_for_best_model'],
        `metric_for_best_model ${args.metric_for_best_model} is not computed by this run (it has: ${known.join(', ')})`,
        metric === 'accuracy'
          ? 'Add --compute_accuracy.'
          : `Set metric_for_best_model to one of ${known.join(', ')}.`,
      ),
    ],
  );
}

/** Images do nothing here, but nonsense stays nonsense. LLaMA-Factory's defaults stand for the bound that is not given. */
function pixelRules(given: Record<string, unknown>): Broken[] {
  const bounds = [
    ['image', 1024, 589824],
    ['video', 256, 65536],
  ] as const;
  return where(
    ...bounds.map(([kind, low, high]): [boolean, Broken] => {
      const keys = [`${kind}_min_pixels`, `${kind}_max_pixels`];
      const [min, max] = [Number(given[keys[0]] ?? low), Number(given[keys[1]] ?? high)];
      return [
        min > max,
        conflict(keys, `${keys[0]} ${min} is above ${keys[1]} ${max}`, `Remove ${keys.join(' and ')}.`),
      ];
    }),
  );
}

function ownRules(args: TrainArgs, given: Record<string, unknown>): Broken[] {
  const resumes = args.resume_from_checkpoint !== null && args.resume_from_checkpoint !== false;
  const held =
    args.eval_samples > 0 &&
    args.val_size === 0 &&
    args.eval_dataset.length === 0 &&
    args.tokenized_path === null;
  return where(
    [
      args.memory !== null && parseBytes(args.memory) === null,
      {
        code: 'ARGS_BAD_VALUE',
        keys: ['memory'],
        message: `memory: expected a size such as 12GB, found ${JSON.stringify(args.memory)}`,
        remedy: 'Write memory as a number with a unit: 12GB, 800MB or 8GiB.',
      },
    ],
    [
      args.extend && args.overwrite_output_dir,
      conflict(
        ['extend', 'overwrite_output_dir'],
        'extend goes on with a run and overwrite_output_dir starts anew',
        'Remove extend or overwrite_output_dir.',
      ),
    ],
    [
      args.extend && !Object.hasOwn(given, 'num_train_epochs') && !Object.hasOwn(given, 'max_steps'),
      absent(
        'num_train_epochs',
        'extend needs to know how far: neither num_train_epochs nor max_steps is given',
        'Add --num_train_epochs or --max_steps with the new total.',
      ),
    ],
    [
      resumes && args.save_only_model,
      conflict(
        ['resume_from_checkpoint', 'save_only_model'],
        'checkpoints written with save_only_model hold no optimiser state and cannot be resumed',
        'Remove save_only_model or resume_from_checkpoint.',
      ),
    ],
    [
      args.eval_metrics.length > 0 && !args.predict_with_generate,
      conflict(
        ['eval_metrics', 'predict_with_generate'],
        'eval_metrics are of generated answers, but predict_with_generate is not set',
        'Add --predict_with_generate.',
      ),
    ],
    [
      held,
      conflict(
        ['eval_samples'],
        'eval_samples answers evaluation rows, but there is neither eval_dataset nor val_size',
        'Add --val_size or --eval_dataset, or use sample_prompts.',
      ),
    ],
  );
}
