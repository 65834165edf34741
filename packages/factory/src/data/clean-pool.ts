// In: the row steps of a pass, and a number of threads. Out: batches run at the same time, each a promise of its result.
// With no threads everything runs here: starting a thread costs more than a few thousand rows.
import { Worker } from 'node:worker_threads';
import { type BatchResult, batchRunner } from './clean-batch.ts';
import type { RecipeStep } from './clean-recipe.ts';
import type { StepOptions } from './clean-step.ts';

/** A step as it travels to a thread. */
export interface NamedStep {
  name: string;
  options: StepOptions;
}

export interface CleanPool {
  /** Batches that may be under way at once. */
  readonly width: number;
  run(rows: string[]): Promise<BatchResult>;
  close(): Promise<void>;
}

interface Waiting {
  resolve(result: BatchResult): void;
  reject(error: unknown): void;
}

export function openPool(steps: readonly RecipeStep[], threads: number): CleanPool {
  if (threads === 0) {
    const run = batchRunner(steps);
    return { width: 1, run: async (rows) => run(rows), close: async () => {} };
  }
  const named = steps.map(({ step, options }): NamedStep => ({ name: step.name, options }));
  const workers = Array.from({ length: threads }, () => openWorker(named));
  return {
    // One batch is worked on and one waits, so that no thread stands still.
    width: 2 * threads,
    run(rows) {
      const least = workers.reduce((best, one) => (one.load() < best.load() ? one : best));
      return least.run(rows);
    },
    async close() {
      await Promise.all(workers.map((one) => one.close()));
    },
  };
}

function openWorker(steps: readonly NamedStep[]) {
  const worker = new Worker(new URL('./clean-worker.ts', import.meta.url), { workerData: steps });
  const waiting: Waiting[] = [];
  let failure: unknown = null;
  const failAll = (error: unknown) => {
    failure = error;
    for (const one of waiting.splice(0)) one.reject(error);
  };
  worker.on('message', (result: BatchResult) => waiting.shift()?.resolve(result));
  worker.on('error', failAll);
  return {
    load: () => waiting.length,
    run(rows: string[]): Promise<BatchResult> {
      return new Promise((resolve, reject) => {
        if (failure !== null) {
          reject(failure);
          return;
        }
        waiting.push({ resolve, reject });
        worker.postMessage(rows);
      });
    },
    close: () => worker.terminate(),
  };
}
