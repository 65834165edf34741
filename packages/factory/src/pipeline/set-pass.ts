// In: a set step and all rows. Out: its scores, labels and pairs in the ledger.
import type { RecipeStep } from '#factory/data/clean-recipe.ts';
import type { SetContext } from '#factory/data/clean-step.ts';
import type { RowStore } from '#factory/data/row-store.ts';
import { invariant } from '#factory/errors.ts';
import type { CleanLedger, Column } from '#factory/store/clean-ledger.ts';
import type { CleanDeps } from './clean-deps.ts';
import { stopped } from './row-pass.ts';

export async function runSetStep(
  pass: number,
  { step, options }: RecipeStep,
  rows: RowStore,
  seed: number,
  cacheFolder: string,
  ledger: CleanLedger,
  deps: CleanDeps,
): Promise<void> {
  invariant(step.kind === 'set', `${step.name} is no set step`);
  // A finished step is not run again by a run that goes on.
  if ((await ledger.info<boolean>(`done.${step.name}`)) === true) return;
  const { signal, env, fetch } = deps;
  const context: SetContext = {
    ...{ signal, seed, env, fetch, cacheFolder },
    async progress(done, total) {
      deps.onEvent({ kind: 'progress', step: step.name, done, total });
      await new Promise((resolve) => setImmediate(resolve));
      if (signal.aborted) throw stopped();
    },
  };
  const { scores, labels = {}, pairs } = await step.run(rows, options, context);
  const named = (names: string[]) => names.map((name) => `${step.name}.${name}`);
  const scoreNames = Object.keys(step.scores);
  const labelNames = Object.keys(step.labels ?? {});
  await ledger.transaction(async () => {
    await ledger.createPass(pass, named(scoreNames), named(labelNames));
    await ledger.append(`pass_${pass}`, [
      { type: 'integer', values: Uint32Array.from({ length: rows.count }, (_, n) => n) },
      { type: 'text', values: new Array<null>(rows.count).fill(null) },
      ...scoreNames.map((name): Column => ({ type: 'double', values: scores[name]! })),
      ...labelNames.map((name): Column => ({ type: 'text', values: labels[name]! })),
    ]);
    await ledger.query('delete from pairs where step = $1', [step.name]);
    await ledger.append('pairs', [
      { type: 'text', values: new Array<string>(pairs.a.length).fill(step.name) },
      { type: 'integer', values: pairs.a },
      { type: 'integer', values: pairs.b },
      { type: 'double', values: pairs.value },
    ]);
    await ledger.setInfo(`done.${step.name}`, true);
  });
}
