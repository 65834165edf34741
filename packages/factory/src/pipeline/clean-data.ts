// In: files, a recipe and an output folder. Out: a run folder: ledger, recipe as resolved, exports, report. It strings
// reading, steps, verdicts and exports; a run that was stopped goes on where its last batch was committed.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { openPool } from '#factory/data/clean-pool.ts';
import { type Recipe, scoringKey } from '#factory/data/clean-recipe.ts';
import { describeInputs, type InputPlan } from '#factory/data/describe-inputs.ts';
import { RowStore } from '#factory/data/row-store.ts';
import { FactoryError } from '#factory/errors.ts';
import { CleanLedger } from '#factory/store/clean-ledger.ts';
import { acquireRunLock } from '#factory/store/run-lock.ts';
import type { CleanDeps } from './clean-deps.ts';
import { passesOf } from './clean-passes.ts';
import type { ExportWish } from './export-run.ts';
import { type FinishedRun, finishRun } from './open-run.ts';
import { readRowPass, repeatRowPass, stopped } from './row-pass.ts';
import { runSetStep } from './set-pass.ts';

export async function cleanData(
  inputs: readonly string[],
  recipe: Recipe,
  outputDir: string,
  wish: ExportWish,
  deps: CleanDeps,
): Promise<FinishedRun> {
  const plan = await describeInputs(inputs, recipe.input, deps.signal);
  if (deps.signal.aborted) throw stopped();
  mkdirSync(outputDir, { recursive: true });
  const lock = acquireRunLock(outputDir, deps.now);
  try {
    const ledger = await CleanLedger.open(outputDir, true);
    try {
      return await run(plan, recipe, outputDir, wish, ledger, deps);
    } finally {
      ledger.close();
    }
  } finally {
    lock.release();
  }
}

async function run(
  plan: InputPlan,
  recipe: Recipe,
  outputDir: string,
  wish: ExportWish,
  ledger: CleanLedger,
  deps: CleanDeps,
): Promise<FinishedRun> {
  await ledger.transaction(async () => {
    await checkSameRun(plan, recipe, outputDir, ledger);
    await ledger.setInfo('wish', wish);
  });
  let rows = new RowStore();
  for (const [number, pass] of passesOf(recipe.steps).entries()) {
    if (pass.kind === 'set') {
      await runSetStep(number, pass.steps[0], rows, recipe.seed, join(outputDir, 'cache'), ledger, deps);
      continue;
    }
    const pool = openPool(
      pass.steps,
      plan.files.reduce((sum, { bytes }) => sum + bytes, 0) < 4e6 ? 0 : deps.threads,
    );
    try {
      if (number === 0) await readRowPass(plan, recipe.input, pass.steps, rows, pool, ledger, deps);
      else rows = await repeatRowPass(number, pass.steps, rows, pool, ledger, deps);
    } finally {
      await pool.close();
    }
  }
  deps.onEvent({ kind: 'deciding' });
  return finishRun({ folder: outputDir, ledger, recipe });
}

/** A folder holds one run: the same input and the same measuring steps may go on or decide anew, others may not mix. */
async function checkSameRun(
  plan: InputPlan,
  recipe: Recipe,
  outputDir: string,
  ledger: CleanLedger,
): Promise<void> {
  const key = JSON.stringify([plan.files.map(({ path, sha256 }) => [path, sha256]), scoringKey(recipe)]);
  const before = await ledger.info<string>('key');
  if (before === null) {
    await ledger.setFiles(plan.files);
    await ledger.setInfo('key', key);
    await ledger.setInfo('scoring', scoringKey(recipe));
    await ledger.setInfo('state', 'reading');
    return;
  }
  if (before === key) return;
  throw new FactoryError({
    code: 'DATA_RUN_EXISTS',
    message: `${outputDir} holds a cleaning run of other files or another recipe`,
    remedy: 'Choose another output_dir, or delete this folder.',
  });
}
