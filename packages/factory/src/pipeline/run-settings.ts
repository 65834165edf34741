// In: resolved arguments and the size of the data. Out: the numbers that the training loop runs by. Hugging Face's rules
// for steps, warm-up and intervals.
import { makeSchedule } from '@tunesmith/engine';
import { configFields } from '#factory/model/config-fields.ts';
import type { ModelConfig } from '#factory/records/model-config.ts';
import type { IntervalStrategy, TrainArgs } from '#factory/records/train-args.ts';
import type { Interval } from '#factory/train/intervals.ts';
import type { TrainSettings } from '#factory/train/train.ts';

/** Free buffers that stay between steps. */
const KEEP_BUFFER_BYTES = 256 * 2 ** 20;

export function makeSettings(
  args: TrainArgs,
  config: ModelConfig,
  stepsPerEpoch: number,
  residualBytes: number,
): TrainSettings {
  const totalSteps = args.max_steps > 0 ? args.max_steps : Math.ceil(args.num_train_epochs * stepsPerEpoch);
  // A warm-up below 1 is a share of all steps.
  const share = args.warmup_steps > 0 && args.warmup_steps < 1 ? args.warmup_steps : args.warmup_ratio;
  const warmupSteps = args.warmup_steps >= 1 ? Math.floor(args.warmup_steps) : Math.ceil(share * totalSteps);
  const best = args.metric_for_best_model || 'loss';
  const bestMetric = best.startsWith('eval_') ? best : `eval_${best}`;
  return {
    totalSteps,
    stepsPerEpoch,
    totalEpochs: totalSteps / stepsPerEpoch,
    learningRate: makeSchedule({
      kind: args.lr_scheduler_type,
      learningRate: args.learning_rate,
      warmupSteps,
      totalSteps,
      options: scheduleOptions(args, totalSteps - warmupSteps),
    }),
    maxGradNorm: args.max_grad_norm,
    seed: args.seed,
    noiseAlpha: args.neftune_noise_alpha ?? 0,
    balanceWeight: balanceWeightOf(args, config),
    residualBytes,
    log: interval('steps', args.logging_steps, totalSteps),
    logFirstStep: args.logging_first_step,
    logTokens: args.include_num_input_tokens_seen !== 'no',
    save: interval(args.save_strategy, args.save_steps, totalSteps),
    savesModelOnly: args.save_only_model,
    evaluate: interval(args.eval_strategy, args.eval_steps ?? args.logging_steps, totalSteps),
    evaluateFirst: args.eval_on_start,
    evalBatchSize: args.per_device_eval_batch_size,
    wantAccuracy: args.compute_accuracy,
    bestMetric,
    greaterIsBetter: args.greater_is_better,
    patience: args.early_stopping_steps,
    keepBufferBytes: KEEP_BUFFER_BYTES,
  };
}

/** As in transformers, a config that asks for router logits asks for their loss. */
function balanceWeightOf({ moe_aux_loss_coef, stage }: TrainArgs, { raw, experts }: ModelConfig): number {
  if (moe_aux_loss_coef !== null) return moe_aux_loss_coef;
  if (!experts || raw.output_router_logits !== true || (stage !== 'sft' && stage !== 'pt')) return 0;
  return configFields(raw, 'config.json').number('router_aux_loss_coef', { min: 0, fallback: 0.001 });
}

/** LLaMA-Factory's default for warmup_stable_decay: a third of the steps after the warm-up stable, the rest decaying. */
function scheduleOptions(args: TrainArgs, rest: number): TrainArgs['lr_scheduler_kwargs'] {
  const given = args.lr_scheduler_kwargs;
  if (args.lr_scheduler_type !== 'warmup_stable_decay' || given.num_decay_steps !== undefined) return given;
  const stable = Math.floor(rest / 3);
  return { ...given, num_decay_steps: rest - stable };
}

/** Steps below 1 are a share of all steps. */
function interval(strategy: IntervalStrategy, steps: number, totalSteps: number): Interval {
  if (strategy === 'no') return { every: 'never' };
  if (strategy === 'epoch') return { every: 'epoch' };
  return {
    every: 'steps',
    steps: Math.max(1, steps < 1 ? Math.ceil(steps * totalSteps) : Math.floor(steps)),
  };
}
