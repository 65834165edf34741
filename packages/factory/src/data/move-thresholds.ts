// In: a recipe, and `step.option=value` words. Out: the recipe with those thresholds. Options that change what is measured are
// refused by name: moving them needs the rows to be cleaned again.
import { FactoryError } from '#factory/errors.ts';
import { optionProblem, type Recipe } from './clean-recipe.ts';
import type { OptionSpec, OptionValue } from './clean-step.ts';
import { didYouMean, listNames } from './suggest-name.ts';

export function moveThresholds(recipe: Recipe, settings: readonly string[]): Recipe {
  const problems: string[] = [];
  const steps = recipe.steps.map((one) => ({ ...one, options: { ...one.options } }));
  for (const setting of settings) {
    const [, stepName, optionName, raw] = /^([\w-]+)\.(\w+)=(.*)$/s.exec(setting) ?? [];
    if (stepName === undefined || optionName === undefined || raw === undefined) {
      problems.push(`expected step.option=value, found "${setting}"`);
      continue;
    }
    const found = steps.find(({ step }) => step.name === stepName);
    if (found === undefined) {
      const names = steps.map(({ step }) => step.name);
      problems.push(
        `the run has no step "${stepName}".${didYouMean(stepName, names)} Steps: ${listNames(names)}`,
      );
      continue;
    }
    const spec = found.step.options[optionName];
    if (spec === undefined || spec.role !== 'decide') {
      const names = Object.entries(found.step.options).filter(([, { role }]) => role === 'decide');
      const open = listNames(names.map(([name]) => name)) || 'none';
      problems.push(
        spec === undefined
          ? `step "${stepName}" has no option "${optionName}"; thresholds: ${open}`
          : `"${stepName}.${optionName}" changes the scores, so rows must be cleaned again; thresholds: ${open}`,
      );
      continue;
    }
    const value = spec.optional && /^(null|none|off)$/i.test(raw) ? null : wordValue(spec, raw);
    const problem = optionProblem(spec, value);
    if (problem === null) (found.options as Record<string, OptionValue>)[optionName] = value as OptionValue;
    else problems.push(`${stepName}.${optionName}: ${problem}`);
  }
  if (problems.length > 0) {
    throw new FactoryError({
      code: 'ARGS_BAD_VALUE',
      message: `--set: ${problems.join('; ')}`,
      remedy: 'Write --set step.threshold=value, as in --set length.max_chars=4000.',
    });
  }
  return { ...recipe, steps };
}

function wordValue(spec: OptionSpec, raw: string): unknown {
  switch (spec.type) {
    case 'number':
    case 'integer':
      return raw.trim() === '' ? raw : Number(raw);
    case 'boolean':
      return raw === 'true' ? true : raw === 'false' ? false : raw;
    case 'texts':
      return raw === '' ? [] : raw.split(',');
    default:
      return raw;
  }
}
