// In: the data arguments and a tokenizer. Out: the lengths of the encoded rows, as training would have
// them. Nothing is written.
import { loadDatasets } from '#factory/data/load-datasets.ts';
import { countLabels } from '#factory/model/packed-batch.ts';
import { smallTokens } from '#factory/model/step-facts.ts';
import type { EncodedDataset } from '#factory/records/encoded.ts';
import type { BatchSize } from '#factory/records/memory-facts.ts';
import type { ModelConfig } from '#factory/records/model-config.ts';
import type { TextTokenizer } from '#factory/records/tokenizer.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { encodeRows } from '#factory/tokens/encode.ts';
import { templateOf } from './choose-template.ts';
import { largestBatches } from './plan-run.ts';
import { encodeOptions } from './prepare-rows.ts';
import { planEpoch, rowLengths } from './train-rows.ts';

export interface DataFacts {
  lengths: number[];
  /** Label positions of each row. */
  labels: number[];
  sequencesPerRow: number;
  tokens: number;
}

export async function readDataFacts(args: TrainArgs, tokenizer: TextTokenizer): Promise<DataFacts> {
  const data = await loadDatasets({ ...args, seed: args.data_seed ?? args.seed });
  const template = args.stage === 'pt' ? null : templateOf(args, { tokenizer });
  const { dataset } = encodeRows(data.train, encodeOptions(args, { tokenizer, template }));
  return dataFacts(dataset);
}

export function dataFacts(dataset: EncodedDataset): DataFacts {
  const { examples, sequencesPerRow } = dataset;
  const lengths = rowLengths(dataset);
  const labels = lengths.map((_, row) =>
    examples
      .slice(row * sequencesPerRow, (row + 1) * sequencesPerRow)
      .reduce((n, example) => n + countLabels(example), 0),
  );
  return { lengths, labels, sequencesPerRow, tokens: dataset.totals.tokens };
}

/** A micro batch of answers to the longest prompt, all as long as they may be. */
function longestAnswers(args: TrainArgs, config: ModelConfig, lengths: readonly number[]): BatchSize {
  const prompt = lengths.reduce((a, b) => Math.max(a, b), 0);
  const width = Math.min(prompt + args.max_new_tokens, config.maxPositions);
  const rows = args.per_device_train_batch_size;
  return { rows, width, tokens: rows * width, labels: rows * (width - prompt) };
}

/** Rows that all have the full length, of a stage without data to look at. */
export function fullBatch(args: TrainArgs, config: ModelConfig): BatchSize {
  if (isPolicy(args)) return longestAnswers(args, config, [args.cutoff_len]);
  const { per_device_train_batch_size, cutoff_len: width } = args;
  const rows = per_device_train_batch_size * (args.stage === 'dpo' || args.stage === 'rm' ? 2 : 1);
  // A reward model is read at the last token of a row.
  return { rows, width, tokens: rows * width, labels: args.stage === 'rm' ? rows : rows * (width - 1) };
}

const isPolicy = ({ stage }: TrainArgs) => stage === 'ppo' || stage === 'grpo';

/** The first epoch's batches as training would make them, and those of them that need most. */
export function batchesOf(
  args: TrainArgs,
  config: ModelConfig,
  { lengths, labels, sequencesPerRow }: DataFacts,
) {
  const steps = planEpoch(args, lengths, 0);
  if (isPolicy(args))
    return { steps: steps.length, batches: steps.flat(), largest: [longestAnswers(args, config, lengths)] };
  const double = (size: BatchSize): BatchSize => ({
    ...size,
    rows: sequencesPerRow * size.rows,
    tokens: sequencesPerRow * size.tokens,
    labels: args.stage === 'rm' ? sequencesPerRow * size.rows : size.labels,
  });
  const all = steps.flat();
  return {
    steps: steps.length,
    batches: all,
    largest: largestBatches(all, lengths, (row) => labels[row], smallTokens(config) / sequencesPerRow).map(
      double,
    ),
  };
}
