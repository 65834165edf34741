// In: the arguments, encoded data sets and the decoder before training. Out: the task of the run's stage with its rows,
// those of training and of each evaluation set. Where the stage compares with a reference, that model has spoken here.
import type { Decoder } from '#factory/model/decoder.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import type { TrainTask } from '#factory/train/task.ts';
import type { PreparedRows } from './prepare-rows.ts';
import { type ReferenceDeps, referenceLogProbs } from './reference.ts';
import { needsReference, rowsOf, type TrainRow, taskOf } from './train-rows.ts';

export interface PreparedTask {
  task: TrainTask<TrainRow>;
  train: TrainRow[];
  evaluation: { name: string; rows: TrainRow[] }[];
}

export async function prepareTask(
  args: TrainArgs,
  { train, evaluation }: PreparedRows,
  decoder: Decoder,
  deps: ReferenceDeps,
): Promise<PreparedTask> {
  const datasets = [...(train ? [train] : []), ...evaluation.map(({ dataset }) => dataset)];
  const reference = needsReference(args) ? await referenceLogProbs(args, datasets, decoder, deps) : null;
  const rows = (dataset: (typeof datasets)[number]) => rowsOf(args, dataset, reference?.get(dataset) ?? null);
  return {
    task: taskOf(args),
    train: train ? rows(train) : [],
    evaluation: evaluation.map(({ name, dataset }) => ({ name, rows: rows(dataset) })),
  };
}
