// In: a run, and what a person wants otherwise: thresholds moved, or rows brought back. Out: the run with new verdicts and
// exports. No score is measured again.
import { moveThresholds } from '#factory/data/move-thresholds.ts';
import { didYouMean, listNames } from '#factory/data/suggest-name.ts';
import { FactoryError } from '#factory/errors.ts';
import type { Restored } from './decide-run.ts';
import { changeRun, type FinishedRun, finishRun } from './open-run.ts';
import { whyRow } from './why-row.ts';

export function decideAgain(
  folder: string,
  settings: readonly string[],
  now: () => number,
): Promise<FinishedRun> {
  return changeRun(folder, now, (run) => finishRun({ ...run, recipe: moveThresholds(run.recipe, settings) }));
}

export interface RestoreWish {
  reasons: readonly string[];
  rows: readonly string[];
  /** Forget what was restored before. */
  clear: boolean;
}

export function restore(folder: string, wish: RestoreWish, now: () => number): Promise<FinishedRun> {
  return changeRun(folder, now, async (run) => {
    const { ledger, recipe } = run;
    const known = recipe.steps.flatMap(({ step }) =>
      Object.entries(step.reasons).flatMap(([reason, { verdict }]) =>
        verdict === 'drop' || verdict === 'merge' ? [reason] : [],
      ),
    );
    for (const reason of wish.reasons) {
      if (known.includes(reason)) continue;
      throw new FactoryError({
        code: 'ARGS_BAD_VALUE',
        message: `--reason: the run drops no row for "${reason}".${didYouMean(reason, known)}`,
        remedy: `Use one of ${listNames(known, 40)}.`,
      });
    }
    const rows: string[] = [];
    for (const row of wish.rows) rows.push((await whyRow(ledger, recipe, row)).id);
    const before = wish.clear ? null : await ledger.info<Restored>('restored');
    const restored: Restored = {
      reasons: [...new Set([...(before?.reasons ?? []), ...wish.reasons])].sort(),
      rows: [...new Set([...(before?.rows ?? []), ...rows])].sort(),
    };
    await ledger.setInfo('restored', restored);
    return finishRun(run);
  });
}
