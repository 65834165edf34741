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
 * give the same plan. In epoch 0 the largest micro batch comes first, so that memory runs out early or never.
 */
export function planBatches(options: BatchPlanOptions): number[][][] {
  const { lengths, perDeviceBatchSize: size, accumulation, dropLast } = options;
  checkCount('per_device_train_batch_size', size);
  checkCount('gradient_accumulation_steps', accumulation);
  const inFileOrder = lengths.map((_, i) => i);
  if (!options.shuffle) return groupInto(microBatches(inFileOrder, size, dropLast), accumulation);

  const random = seededRandom(`${options.seed}/batches/${options.epoch}`);
  const rows = random.shuffle(inFileOrder);
  // Rows that do not fill a batch are chosen at random, not by length, so that dropLast is fair.
  const leftOver = rows.splice(rows.length - (rows.length % size));
  const chunkRows = STEPS_PER_CHUNK * size * accumulation;
  const batches: number[][] = [];
  for (let from = 0; from < rows.length; from += chunkRows) {
    // The sort is stable, so rows of equal length stay in random order.
    const chunk = rows
      .slice(from, from + chunkRows)
      .sort((a, b) => (lengths[b] as number) - (lengths[a] as number));
    batches.push(...groupInto(chunk, size));
  }
  // Neighbours in length form a step, so that its micro batches take about as long; the order of steps is random.
  const steps = groupInto(batches, accumulation);
  const tail = batches.length % accumulation === 0 ? [] : (steps.pop() as number[][]);
  if (leftOver.length > 0 && !dropLast) tail.push(leftOver);
  const ordered = random.shuffle(steps);
  if (tail.length > 0) ordered.push(tail);
  if (options.epoch === 0) moveLargestFirst(ordered, lengths);
  return ordered;
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

/** The micro batch with the most ids, padding included, changes places with the first one. */
function moveLargestFirst(steps: number[][][], lengths: readonly number[]): void {
  let largest = -1;
  let at: [number, number] = [0, 0];
  for (const [i, step] of steps.entries()) {
    for (const [j, batch] of step.entries()) {
      const size = batch.length * batch.reduce((most, row) => Math.max(most, lengths[row] as number), 0);
      if (size > largest) {
        largest = size;
        at = [i, j];
      }
    }
  }
  const [i, j] = at;
  const [first, chosen] = [steps[0], steps[i]];
  if (!first || !chosen) return;
  if (chosen.length === first.length) {
    [steps[0], steps[i]] = [chosen, first];
    [chosen[0], chosen[j]] = [chosen[j] as number[], chosen[0] as number[]];
  } else {
    [first[0], chosen[j]] = [chosen[j] as number[], first[0] as number[]];
  }
}

function checkCount(key: string, value: number): void {
  if (Number.isInteger(value) && value >= 1) return;
  throw new FactoryError({
    code: 'ARGS_BAD_VALUE',
    message: `${key} must be a whole number of at least 1, found ${value}`,
    remedy: `Set ${key} to 1 or more.`,
  });
}
