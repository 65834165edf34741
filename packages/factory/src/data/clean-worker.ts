// In: the steps of a pass by name (workerData), then batches of rows as messages. Out: one result per batch, in order.
// Runs in a thread of its own; clean-pool.ts starts and ends it. Nothing else may import this file.
import { parentPort, workerData } from 'node:worker_threads';
import { invariant } from '#factory/errors.ts';
import { batchRunner } from './clean-batch.ts';
import type { NamedStep } from './clean-pool.ts';
import { findStep } from './clean-steps.ts';

const run = batchRunner(
  (workerData as NamedStep[]).map(({ name, options }) => {
    const step = findStep(name);
    invariant(step !== undefined, `there is no step ${name}`);
    return { step, options };
  }),
);

parentPort?.on('message', (rows: string[]) => {
  const result = run(rows);
  parentPort?.postMessage(result, [result.scores.buffer as ArrayBuffer]);
});
