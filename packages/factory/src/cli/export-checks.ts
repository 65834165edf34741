// In: the recipe or the verdict that an export names. Out: how the export is evaluated, as `tunesmith eval` would read it.
import { join } from 'node:path';
import { checkEvalArgs } from '#factory/arguments/check-eval.ts';
import { parseEvalArgs } from '#factory/arguments/parse.ts';
import type { ArgDeps } from '#factory/arguments/read.ts';
import { FactoryError } from '#factory/errors.ts';
import type { ExportRecipe } from '#factory/pipeline/evaluate-export.ts';
import { readParentVerdict, type VerdictGate } from '#factory/pipeline/verdict-gate.ts';
import { EVAL_KEYS } from './eval-keys.ts';

/** Keys that the export sets itself, or that are of the model alone. */
const OWN = [
  'adapter_name_or_path',
  'output_dir',
  'overwrite_output_dir',
  'name',
  'quantization_bit',
  'quantization_method',
];

export function readExportRecipe(path: string, model: string, deps: ArgDeps): ExportRecipe {
  return read([path, '--model_name_or_path', model], deps);
}

export async function readVerdictGate(path: string, model: string, deps: ArgDeps): Promise<VerdictGate> {
  const parent = await readParentVerdict(path);
  const config = Object.fromEntries(
    Object.entries(parent.candidate.config).filter(([key]) => !OWN.includes(key)),
  );
  if (config.endpoint !== undefined)
    throw new FactoryError({
      code: 'EXPORT_BAD_VERDICT',
      message: `${path}: expected a verdict of a local model, found one of ${String(config.endpoint)}`,
      remedy: 'Evaluate the model from its files, and name the verdict on that.',
    });
  const text = JSON.stringify({ ...config, model_name_or_path: model });
  return { parent, recipe: read([join(path, 'config.json')], { ...deps, readFile: () => text }) };
}

/** The folder is set by the export. */
function read(words: readonly string[], deps: ArgDeps): ExportRecipe {
  const { args, evalArgs, given } = parseEvalArgs([...words, '--output_dir', 'evaluation'], EVAL_KEYS, deps);
  checkEvalArgs(args, evalArgs, given);
  return { args, evalArgs, given };
}
