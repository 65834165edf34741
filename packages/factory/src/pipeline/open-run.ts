// In: the folder of a cleaning run. Out: its ledger and its recipe, or an error that says why the run cannot be gone on with.
import { join } from 'node:path';
import { stringify } from 'yaml';
import { type Recipe, recipeRecord, resolveRecipe, scoringKey } from '#factory/data/clean-recipe.ts';
import { FactoryError } from '#factory/errors.ts';
import type { CleanCounts, ReasonCount } from '#factory/records/ledger.ts';
import { writeAtomic } from '#factory/store/atomic-file.ts';
import { CleanLedger } from '#factory/store/clean-ledger.ts';
import { acquireRunLock } from '#factory/store/run-lock.ts';
import { writeReport } from './clean-report/write-report.ts';
import { decideRun } from './decide-run.ts';
import { type ExportedSet, type ExportWish, exportRun } from './export-run.ts';

export interface OpenRun {
  folder: string;
  ledger: CleanLedger;
  recipe: Recipe;
}

export interface FinishedRun {
  outputDir: string;
  counts: CleanCounts;
  reasons: ReasonCount[];
  exported: ExportedSet[];
}

/** Opens a run that has its verdicts, for reading. */
export async function withRun<T>(folder: string, work: (run: OpenRun) => Promise<T>): Promise<T> {
  const ledger = await CleanLedger.open(folder, false);
  try {
    if ((await ledger.info<string>('state')) !== 'complete') {
      throw new FactoryError({
        code: 'DATA_NO_RUN',
        message: `${folder}: the cleaning run is not complete`,
        remedy: 'Give the same "tunesmith data clean" command again, so that it goes on to its end.',
      });
    }
    const recipe = resolveRecipe(await ledger.info('recipe'), join(folder, 'recipe.yaml'));
    return await work({ folder, ledger, recipe });
  } finally {
    ledger.close();
  }
}

/** The same for a change of verdicts; held by one process at a time. */
export async function changeRun<T>(
  folder: string,
  now: () => number,
  work: (run: OpenRun) => Promise<T>,
): Promise<T> {
  return withRun(folder, async (run) => {
    const lock = acquireRunLock(folder, now);
    try {
      // Steps of another version would decide over numbers that they did not measure.
      if ((await run.ledger.info<string>('scoring')) !== scoringKey(run.recipe)) {
        throw new FactoryError({
          code: 'DATA_RUN_EXISTS',
          message: `${folder}: the run was measured by other versions of its steps`,
          remedy: 'Clean the data again into another folder.',
        });
      }
      return await work(run);
    } finally {
      lock.release();
    }
  });
}

const NONE: CleanCounts = { read: 0, unreadable: 0, kept: 0, dropped: 0, edited: 0 };

/** Verdicts, exports, report: everything of a run that follows from scores and thresholds. */
export async function finishRun({ folder, ledger, recipe }: OpenRun): Promise<FinishedRun> {
  await writeAtomic(join(folder, 'recipe.yaml'), stringify(recipeRecord(recipe)));
  const result: FinishedRun = { outputDir: folder, counts: NONE, reasons: [], exported: [] };
  await ledger.transaction(async () => {
    await ledger.setInfo('recipe', recipeRecord(recipe));
    Object.assign(result, await decideRun(recipe, ledger));
    const wish = (await ledger.info<ExportWish>('wish'))!;
    // A run that keeps nothing is whole all the same: its ledger says why.
    if (result.counts.kept > 0) result.exported = await exportRun(ledger, join(folder, 'export'), wish);
    await ledger.setInfo('exported', result.exported);
    await ledger.setInfo('state', 'complete');
  });
  await writeReport(folder, ledger, recipe);
  return result;
}
