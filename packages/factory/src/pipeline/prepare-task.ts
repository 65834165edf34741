// In: the arguments, encoded data sets and the decoder before training. Out: the task of the run's stage with its rows,
// those of training and of each evaluation set. Where the stage compares with a reference, that model has spoken here.
import { invariant } from '#factory/errors.ts';
import type { Decoder } from '#factory/model/decoder.ts';
import type { EncodedDataset } from '#factory/records/encoded.ts';
import type { Example } from '#factory/records/message.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import type { TrainTask } from '#factory/train/task.ts';
import { type PolicyDeps, policyStage } from './policy-stage.ts';
import type { PreparedRows } from './prepare-rows.ts';
import { referenceLogProbs } from './reference.ts';
import { needsReference, rowsOf, type TrainRow, taskOf } from './train-rows.ts';

export interface PreparedTask {
  task: TrainTask<TrainRow>;
  train: TrainRow[];
  evaluation: { name: string; rows: TrainRow[] }[];
  /** Frees models that the task has opened. */
  close?(): Promise<void>;
}

export async function prepareTask(
  args: TrainArgs,
  prepared: PreparedRows,
  decoder: Decoder,
  deps: PolicyDeps,
): Promise<PreparedTask> {
  if (args.stage === 'ppo' || args.stage === 'grpo') return preparePolicy(args, prepared, decoder, deps);
  const { train, evaluation } = prepared;
  const datasets = [...(train ? [train] : []), ...evaluation.map(({ dataset }) => dataset)];
  const reference = needsReference(args) ? await referenceLogProbs(args, datasets, decoder, deps) : null;
  const rows = (dataset: (typeof datasets)[number]) => rowsOf(args, dataset, reference?.get(dataset) ?? null);
  return {
    task: taskOf(args),
    train: train ? rows(train) : [],
    evaluation: evaluation.map(({ name, dataset }) => ({ name, rows: rows(dataset) })),
  };
}

async function preparePolicy(
  args: TrainArgs,
  { train, evaluation, asked }: PreparedRows,
  decoder: Decoder,
  deps: PolicyDeps,
): Promise<PreparedTask> {
  const examples: Example[] = [];
  const rows = (dataset: EncodedDataset): TrainRow[] => {
    const own = asked.get(dataset) ?? [];
    invariant(own.length === dataset.examples.length, 'every prompt has its row');
    const from = examples.length;
    examples.push(...own);
    return dataset.examples.map((prompt, i) => ({ prompt, index: from + i }));
  };
  const prepared = {
    train: train ? rows(train) : [],
    evaluation: evaluation.map(({ name, dataset }) => ({ name, rows: rows(dataset) })),
  };
  const { task, close } = await policyStage(args, examples, decoder, deps);
  return { ...prepared, task: task as TrainTask<TrainRow>, close };
}
