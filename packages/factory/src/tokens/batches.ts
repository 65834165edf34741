// In: row lengths and a seed. Out: which rows go into which micro batch of which optimizer step, for one epoch.
// Rows of like length share a batch, so that padding is near zero; the order of steps stays random.
import { FactoryError } from '#factory/errors.ts';
import { seededRandom } from '#factory/records/seeded-random.ts';

export interface BatchPlanOptions {
  /** Ids per row. */
  lengths: readonly number[];
  perDeviceBatchSize: number;
  /** Micro batches per optimizer step. */
  accumulation: number;
  seed: number | string;
  /** From 0. */
  epoch: number;
  /** Leave out the last micro batch when it is not full. */
  dropLast: boolean;
  /** false: file order, no grouping. */
  shuffle: boolean;
}

/** Rows are sorted by length within chunks of this many steps: long enough to match lengths, short enough to stay random. */
const STEPS_PER_CHUNK = 50;

/**
 * Steps → micro batches → row indices. Every row occurs exactly once per epoch (fewer with dropLast); the same options
 * give the same plan. In epoch 0 the step with the longest row comes first, so that memory runs out early or never.
 */
export function planBatches(options: BatchPlanOptions): number[][][] {
  const { lengths, perDeviceBatchSize: size, accumulation, dropLast } = options;
  checkCount('per_device_train_batch_size', size);
  checkCount('gradient_accumulation_steps', accumulation);
  const inFileOrder = lengths.map((_, i) => i);
  if (!options.shuffle) return groupInto(microBatches(inFileOrder, size, dropLast), accumulation);

  const random = seededRandom(`${options.seed}/batches/${options.epoch}`);
  const rows = random.shuffle(inFileOrder);
  const full: number[][] = [];
  const ragged: number[][] = [];
  const chunkRows = STEPS_PER_CHUNK * size * accumulation;
  for (let from = 0; from < rows.length; from += chunkRows) {
    // The sort is stable, so rows of equal length stay in random order.
    const chunk = rows
      .slice(from, from + chunkRows)
      .sort((a, b) => (lengths[b] as number) - (lengths[a] as number));
    for (const batch of microBatches(chunk, size, dropLast))
      (batch.length === size ? full : ragged).push(batch);
  }
  // Neighbours in length form a step, so that its micro batches take about as long; the order of steps is random. The
  // batch that is not full stays in the last step, as with a plain loader.
  const steps = groupInto(full, accumulation);
  const partial =
    steps.length > 0 && (steps.at(-1) as number[][]).length < accumulation ? (steps.pop() ?? []) : [];
  const ordered = random.shuffle(steps);
  if (options.epoch === 0) moveLongestFirst(ordered, lengths);
  const rest = [...partial, ...ragged];
  return rest.length > 0 ? [...ordered, ...groupInto(rest, accumulation)] : ordered;
}

/** Consecutive rows; only the last batch may be short. */
function microBatches(rows: readonly number[], size: number, dropLast: boolean): number[][] {
  return groupInto(rows, size).filter((batch) => !dropLast || batch.length === size);
}

function groupInto<T>(items: readonly T[], size: number): T[][] {
  const groups: T[][] = [];
  for (let at = 0; at < items.length; at += size) groups.push(items.slice(at, at + size));
  return groups;
}

function moveLongestFirst(steps: number[][][], lengths: readonly number[]): void {
  let best = 0;
  let longest = -1;
  for (const [i, step] of steps.entries()) {
    for (const row of step.flat()) {
      if ((lengths[row] as number) > longest) {
        longest = lengths[row] as number;
        best = i;
      }
    }
  }
  const [step] = steps.splice(best, 1);
  if (step) steps.unshift(step);
}

function checkCount(key: string, value: number): void {
  if (Number.isInteger(value) && value >= 1) return;
  throw new FactoryError({
    code: 'ARGS_BAD_VALUE',
    message: `${key} must be a whole number of at least 1, found ${value}`,
    remedy: `Set ${key} to 1 or more.`,
  });
}
