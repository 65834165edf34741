// In: the arguments and an encoded data set. Out: the task of the run's stage, and rows as that task takes them. The
// reference model's log-probabilities are put into rows that need them, once they are known.
import { invariant } from '#factory/errors.ts';
import type { EncodedDataset, EncodedExample } from '#factory/records/encoded.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { planBatches } from '#factory/tokens/batches.ts';
import { type FeedbackRow, feedbackObjective } from '#factory/train/feedback.ts';
import { objectiveTask } from '#factory/train/objective-step.ts';
import type { PromptRow } from '#factory/train/policy-task.ts';
import { type PreferenceRow, preferenceObjective } from '#factory/train/preference.ts';
import { REFERENCE_FREE } from '#factory/train/preference-losses.ts';
import { rewardObjective } from '#factory/train/reward.ts';
import { supervised, supervisedBy, type TrainTask } from '#factory/train/task.ts';
import { anchoredFineTuning, dynamicFineTuning, entropyAdaptive } from '#factory/train/token-losses.ts';
import { methodOf } from './policy-method.ts';

export type TrainRow = EncodedExample | PreferenceRow | FeedbackRow | PromptRow;

/** Of all stages but those that write answers themselves, whose task is policy-stage.ts's. */
export function taskOf(args: TrainArgs): TrainTask<TrainRow> {
  // Rows of `rowsOf` are of the kind that the stage's task takes.
  return chooseTask(args) as TrainTask<TrainRow>;
}

function chooseTask(args: TrainArgs) {
  switch (args.stage) {
    case 'pt':
    case 'sft':
      if (args.use_dft_loss) return supervisedBy(dynamicFineTuning);
      if (args.use_asft_loss) return supervisedBy(anchoredFineTuning(args.asft_alpha));
      if (args.use_eaft_loss) return supervisedBy(entropyAdaptive(args.eaft_alpha));
      return supervised;
    case 'dpo':
      return objectiveTask(
        preferenceObjective({
          loss: args.pref_loss,
          beta: args.pref_beta,
          ftx: args.pref_ftx,
          bcoWeight: args.pref_bco_weight,
          labelSmoothing: args.dpo_label_smoothing,
          simpoGamma: args.simpo_gamma,
          ldAlpha: args.ld_alpha,
        }),
      );
    case 'kto':
      return objectiveTask(
        feedbackObjective({
          beta: args.pref_beta,
          desirableWeight: args.kto_chosen_weight,
          undesirableWeight: args.kto_rejected_weight,
          ftx: args.pref_ftx,
        }),
      );
    case 'rm':
      return objectiveTask(rewardObjective());
    case 'ppo':
    case 'grpo':
      return invariant(false, `stage ${args.stage} has no plain task`);
  }
}

export function needsReference({ stage, pref_loss }: TrainArgs): boolean {
  return stage === 'kto' || (stage === 'dpo' && !REFERENCE_FREE.has(pref_loss));
}

/** Rows of the stage; `reference` has a log-probability per sequence where the stage needs one. */
export function rowsOf(
  { stage }: TrainArgs,
  { examples, isDesirable }: EncodedDataset,
  reference: ArrayLike<number> | null,
): TrainRow[] {
  if (stage === 'pt' || stage === 'sft') return examples;
  return Array.from({ length: examples.length / 2 }, (_, row): TrainRow => {
    const [a, b] = [2 * row, 2 * row + 1];
    if (stage === 'kto')
      return {
        answer: examples[a],
        mismatched: examples[b],
        isDesirable: isDesirable?.[row] ?? false,
        reference: reference && { answer: reference[a], mismatched: reference[b] },
      };
    return {
      chosen: examples[a],
      rejected: examples[b],
      reference: reference && { chosen: reference[a], rejected: reference[b] },
    };
  });
}

/** The micro batches of each step of an epoch. */
export function planEpoch(args: TrainArgs, lengths: readonly number[], epoch: number): number[][][] {
  if (args.stage === 'ppo' || args.stage === 'grpo') return planRounds(args, lengths, epoch);
  return planBatches({
    lengths,
    perDeviceBatchSize: args.per_device_train_batch_size,
    accumulation: args.gradient_accumulation_steps,
    seed: args.data_seed ?? args.seed,
    epoch,
    dropLast: args.dataloader_drop_last,
    shuffle: !args.disable_shuffling,
  });
}

/** The prompts of each round, as often as steps learn from the answers to them. */
function planRounds(args: TrainArgs, lengths: readonly number[], epoch: number): number[][][] {
  const answers = args.per_device_train_batch_size * args.gradient_accumulation_steps;
  const { answersPerPrompt, stepsPerRound } = methodOf(args);
  const prompts = args.stage === 'ppo' ? answers * args.ppo_buffer_size : answers / answersPerPrompt;
  const rounds = planBatches({
    lengths,
    perDeviceBatchSize: prompts,
    accumulation: 1,
    seed: args.data_seed ?? args.seed,
    epoch,
    dropLast: args.dataloader_drop_last,
    shuffle: !args.disable_shuffling,
  });
  return rounds.flatMap((round) => new Array<number[][]>(stepsPerRound).fill(round));
}

/** Ids of each row, for planning batches: the longest of its sequences. */
export function rowLengths({ examples, sequencesPerRow }: EncodedDataset): number[] {
  return Array.from({ length: examples.length / sequencesPerRow }, (_, row) => {
    const own = examples.slice(row * sequencesPerRow, (row + 1) * sequencesPerRow);
    return Math.max(...own.map(({ inputIds }) => inputIds.length));
  });
}
