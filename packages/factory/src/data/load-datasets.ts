// In: the data arguments of a run. Out: its training and evaluation examples, and an account of every row that was read.
// Every row is checked here, before any model is loaded; tokenising (and truncation) comes later.
import { FactoryError } from '#factory/errors.ts';
import type { Example, RowIssue } from '#factory/records/message.ts';
import type { DataArgs, Stage } from '#factory/records/train-args.ts';
import { type DatasetNote, noteOverlap } from './check-content.ts';
import { type DatasetInfo, findDataset, readDatasetInfo } from './dataset-info.ts';
import { type DatasetTotals, type LoadedDataset, loadDataset } from './load-one.ts';
import { checkProbs, mixDatasets } from './mix-datasets.ts';
import { summariseIssues } from './report-rows.ts';
import { findSeal, withoutSealed } from './split/sealed-rows.ts';
import type { SealedTest } from './split/sealed-test.ts';
import { splitValidation } from './split-validation.ts';

export async function loadDatasets(args: LoadArgs): Promise<LoadedData> {
  checkArgs(args);
  const info = await readDatasetInfo(args.dataset_dir);
  const trainSets = await loadAll(args.dataset, 'train', args, info);
  const evalSets = await loadAll(args.eval_dataset, 'eval', args, info);
  const seal = findSeal(args.sealed_test, args.dataset_dir);
  if (seal) for (const set of trainSets) dropSealed(set, seal);
  for (const set of [...trainSets, ...evalSets]) checkDropped(set, args.max_dropped_fraction);

  let train = mixDatasets(
    trainSets.map((set) => set.examples),
    { strategy: args.mix_strategy, probs: args.interleave_probs, seed: args.seed },
  );
  const evaluation: Record<string, Example[]> = {};
  for (const set of evalSets) evaluation[freeName(set.totals.dataset, evaluation)] = set.examples;
  if (args.val_size > 0) {
    const split = splitValidation(train, args.val_size, args.seed);
    train = split.train;
    evaluation.validation = split.validation;
  }
  const sets = [...trainSets, ...evalSets];
  return {
    train,
    evaluation,
    issues: sets.flatMap((set) => set.issues),
    totals: sets.map((set) => set.totals),
    notes: [...sets.flatMap((set) => set.notes), ...noteOverlap(train, evaluation)],
  };
}

export type LoadArgs = Pick<
  DataArgs,
  | 'dataset'
  | 'eval_dataset'
  | 'dataset_dir'
  | 'mix_strategy'
  | 'interleave_probs'
  | 'max_samples'
  | 'val_size'
  | 'max_dropped_fraction'
  | 'sealed_test'
> & { stage: Stage; seed: number };

export interface LoadedData {
  train: Example[];
  /** By data set name, or `validation` when split off by val_size. */
  evaluation: Record<string, Example[]>;
  issues: RowIssue[];
  /** One entry per data set, in the order of the arguments. */
  totals: DatasetTotals[];
  notes: DatasetNote[];
}

async function loadAll(
  names: readonly string[],
  use: DatasetTotals['use'],
  args: LoadArgs,
  info: DatasetInfo,
): Promise<LoadedDataset[]> {
  // Every name is looked up before any file is read: a slip in the last one must not cost the reading of the first.
  const found = names.map((name) => findDataset(name.trim(), info));
  const sets: LoadedDataset[] = [];
  for (const [i, source] of found.entries()) {
    // Each data set has its own random stream, so that adding one does not change the rows drawn from the others.
    const seed = `${args.seed}/${use}/${i}`;
    sets.push(await loadDataset(source, { stage: args.stage, use, maxSamples: args.max_samples, seed }));
  }
  return sets;
}

function checkArgs(args: LoadArgs): void {
  if (args.val_size > 0 && (args.eval_dataset.length > 0 || args.dataset.length === 0)) {
    throw new FactoryError({
      code: 'ARGS_CONFLICT',
      message:
        args.dataset.length === 0
          ? `val_size ${args.val_size} needs a data set to split`
          : `val_size ${args.val_size} and eval_dataset both name the evaluation rows`,
      remedy:
        args.dataset.length === 0 ? 'Set dataset, or remove val_size.' : 'Remove val_size or eval_dataset.',
    });
  }
  if (args.max_samples !== null && !(Number.isInteger(args.max_samples) && args.max_samples > 0)) {
    throw new FactoryError({
      code: 'ARGS_BAD_VALUE',
      message: `max_samples: expected a positive count of rows, found ${args.max_samples}`,
      remedy: 'Set max_samples to a whole number above 0, or remove it.',
    });
  }
  checkProbs(args.interleave_probs, args.mix_strategy, args.dataset.length);
}

/** Rows of the test set that stands beside the data are never trained on. */
function dropSealed(set: LoadedDataset, seal: SealedTest): void {
  const { examples, issues } = withoutSealed(set.examples, seal);
  const gone = set.examples.length - examples.length;
  set.examples = examples;
  set.issues.push(...issues);
  set.totals.used -= gone;
  set.totals.dropped += gone;
}

/** The rule holds for each data set by itself: a small one must not vanish behind a large one. */
function checkDropped({ totals, issues }: LoadedDataset, maxFraction: number): void {
  const { dataset, read, used, dropped } = totals;
  const reasons = summariseIssues(issues, 'dropped');
  if (used === 0) {
    throw new FactoryError({
      code: 'DATA_NO_ROWS',
      message:
        read === 0
          ? `data set "${dataset}" has no rows`
          : `data set "${dataset}": none of ${read} rows can be used.\n${reasons.text}`,
      remedy: reasons.remedy ?? 'Give a file with rows.',
      details: { totals },
    });
  }
  if (dropped / read > maxFraction) {
    const percent = (share: number) => `${(100 * share).toPrecision(3)} %`;
    throw new FactoryError({
      code: 'DATA_TOO_MANY_DROPPED',
      message: `data set "${dataset}": ${dropped} of ${read} rows (${percent(dropped / read)}) cannot be used, max_dropped_fraction allows ${percent(maxFraction)}.\n${reasons.text}`,
      remedy: `${reasons.remedy} To train on the rest, raise max_dropped_fraction.`,
      details: { totals },
    });
  }
}

function freeName(name: string, taken: Record<string, unknown>): string {
  if (!Object.hasOwn(taken, name)) return name;
  for (let n = 2; ; n++) if (!Object.hasOwn(taken, `${name}#${n}`)) return `${name}#${n}`;
}
