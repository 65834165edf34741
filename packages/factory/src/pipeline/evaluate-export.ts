// In: how a model is evaluated, the model before an export and the GGUF file that came out. Out: evaluation folders of both, and every
// metric before and after. Both answer on our engine, so that the numbers of the weights are all that differs.
import { join } from 'node:path';
import { compare } from '#factory/eval/compare/compare.ts';
import type { EvalArgs } from '#factory/records/eval-args.ts';
import type { Interval } from '#factory/records/scorecard.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { metricPorts } from './evaluate/metric-ports.ts';
import { openEvaluation } from './open-evaluation.ts';
import { type EvaluationDeps, runEvaluation } from './run-evaluation.ts';

/** As `tunesmith eval` reads it; model and output folder are set here. */
export interface ExportRecipe {
  args: TrainArgs;
  evalArgs: EvalArgs;
  given: Record<string, unknown>;
}

export interface ExportedMetric {
  name: string;
  before: number | null;
  after: number | null;
  /** Of the difference, paired row by row, at the recipe's level; null where there is none. */
  interval: Interval | null;
}

export type RecipeDeps = Omit<EvaluationDeps, 'given'>;

/** Answers of the GGUF file in `dir`; what the adapters were trained on counts for it too. */
export async function evaluateGguf(
  { args, evalArgs, given }: ExportRecipe,
  file: string,
  dir: string,
  adapters: readonly string[],
  deps: RecipeDeps,
): Promise<void> {
  const own = { ...args, model_name_or_path: file, adapter_name_or_path: [], output_dir: dir };
  const name = file.slice(file.lastIndexOf('/') + 1);
  await runEvaluation(own, { ...evalArgs, name }, { ...deps, given, trainedFolders: adapters });
}

export async function metricsOfExport(
  recipe: ExportRecipe,
  model: TrainArgs,
  file: string,
  dir: string,
  deps: RecipeDeps,
): Promise<ExportedMetric[]> {
  const { evalArgs, given } = recipe;
  const { model_name_or_path, adapter_name_or_path } = model;
  const [before, after] = [join(dir, 'before'), join(dir, 'after')];
  const own = { ...recipe.args, model_name_or_path, adapter_name_or_path, output_dir: before };
  await runEvaluation(own, evalArgs, { ...deps, given });
  await evaluateGguf(recipe, file, after, adapter_name_or_path, deps);
  const [base, candidate] = [await openEvaluation(before), await openEvaluation(after)];
  const { metrics } = compare(
    base,
    candidate,
    await metricPorts(base.record.metrics.map(({ name }) => name)),
    {
      level: evalArgs.confidence_level,
      resamples: evalArgs.resamples,
      seed: recipe.args.seed,
      method: 'percentile',
      correction: 'holm',
      flips: 0,
    },
  );
  return metrics.map((one) => ({
    name: one.name,
    before: one.base.value,
    after: one.candidate.value,
    interval: one.delta?.interval ?? null,
  }));
}
