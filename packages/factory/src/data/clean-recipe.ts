// In: a recipe as parsed from YAML. Out: the same with every default written out and every name checked. Unknown steps,
// options and keys are errors with a suggestion, all of them in one message.
import { z } from 'zod';
import { FactoryError } from '#factory/errors.ts';
import type { RowKind } from '#factory/records/clean-row.ts';
import type { CleanStep, OptionSpec, OptionValue, StepOptions } from './clean-step.ts';
import { CLEAN_STEPS, findStep } from './clean-steps.ts';
import { COLUMN_KEYS, type Formatting } from './dataset-info.ts';
import { didYouMean, listNames } from './suggest-name.ts';

export interface RecipeStep {
  step: CleanStep;
  options: StepOptions;
}

/** How columns of a file become parts of a row; all optional: formats are found from column names. */
export interface RecipeInput {
  format: Formatting | null;
  kind: RowKind | null;
  /** `mail` reads every file as one raw e-mail, whatever its name. */
  read_as: 'mail' | null;
  /** Part of a row → column of the file, as `columns` in dataset_info.json. */
  columns: Record<string, string> | null;
  /** New columns from a text with {column} places, made before anything else looks at the row. */
  derive: Record<string, string>;
  /** Column, derived ones too → value → the value that takes its place. */
  values: Record<string, Record<string, string>>;
}

export interface Recipe {
  name: string;
  seed: number;
  input: RecipeInput;
  steps: RecipeStep[];
}

const text = z.string().min(1);
const recipeSchema = z.strictObject({
  name: text,
  seed: z.int().default(42),
  input: z
    .strictObject({
      format: z.enum(['alpaca', 'sharegpt', 'openai']).nullable().default(null),
      kind: z.enum(['sft', 'preference', 'feedback', 'text']).nullable().default(null),
      read_as: z.enum(['mail']).nullable().default(null),
      columns: z.partialRecord(z.enum(COLUMN_KEYS), text).nullable().default(null),
      derive: z.record(z.string(), z.string()).default({}),
      values: z.record(z.string(), z.record(z.string(), z.string())).default({}),
    })
    .prefault({}),
  steps: z.array(z.unknown()).min(1),
});

export function resolveRecipe(value: unknown, where: string): Recipe {
  const parsed = recipeSchema.safeParse(value);
  if (!parsed.success) {
    const problems = parsed.error.issues.map(
      (issue) => `${issue.path.join('.') || 'recipe'}: ${issue.message}`,
    );
    throw badRecipe(where, problems);
  }
  const problems: string[] = [];
  const steps: RecipeStep[] = [];
  for (const [index, item] of parsed.data.steps.entries()) {
    const named = stepItem(item);
    const step = named === null ? undefined : findStep(named.name);
    if (named === null) {
      problems.push(`steps[${index}]: expected a step name, or one step name with its options`);
    } else if (step === undefined) {
      const names = CLEAN_STEPS.map(({ name }) => name);
      problems.push(
        `steps[${index}]: no step "${named.name}".${didYouMean(named.name, names)} Steps: ${listNames(names, 40)}`,
      );
    } else if (steps.some((one) => one.step === step)) {
      problems.push(`steps[${index}]: "${named.name}" stands twice`);
    } else {
      steps.push({ step, options: resolveOptions(step, named.options, problems) });
    }
  }
  if (problems.length > 0) throw badRecipe(where, problems);
  const { name, seed, input } = parsed.data;
  return { name, seed, input: { ...input, columns: input.columns as Record<string, string> | null }, steps };
}

/** The recipe as it is kept with the run: every option of every step, and the version of the step. */
export function recipeRecord({ name, seed, input, steps }: Recipe): Record<string, unknown> {
  return { name, seed, input, steps: steps.map(({ step, options }) => ({ [step.name]: { ...options } })) };
}

/** What scores depend on: two runs with the same text have the same scores for the same rows. */
export function scoringKey({ seed, input, steps }: Recipe): string {
  const measured = steps.map(({ step, options }) => {
    const own = Object.entries(step.options).filter(([, spec]) => spec.role === 'score');
    return [step.name, step.version, own.map(([name]) => [name, options[name]])];
  });
  return JSON.stringify([seed, input, measured]);
}

function stepItem(item: unknown): { name: string; options: Record<string, unknown> } | null {
  if (typeof item === 'string') return { name: item, options: {} };
  if (typeof item !== 'object' || item === null || Array.isArray(item)) return null;
  const [first, ...rest] = Object.entries(item);
  if (first === undefined || rest.length > 0) return null;
  const options = first[1] ?? {};
  if (typeof options !== 'object' || Array.isArray(options)) return null;
  return { name: first[0], options: options as Record<string, unknown> };
}

function resolveOptions(step: CleanStep, given: Record<string, unknown>, problems: string[]): StepOptions {
  const names = Object.keys(step.options);
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(step.options, name))
      problems.push(
        `step "${step.name}" has no option "${name}".${didYouMean(name, names)} Options: ${listNames(names, 30) || 'none'}`,
      );
  }
  const resolved: Record<string, OptionValue> = {};
  for (const [name, spec] of Object.entries(step.options)) {
    const value = Object.hasOwn(given, name) ? given[name] : spec.default;
    const problem = optionProblem(spec, value);
    if (problem !== null) problems.push(`${step.name}.${name}: ${problem}`);
    resolved[name] = value as OptionValue;
  }
  return resolved;
}

export function optionProblem(spec: OptionSpec, value: unknown): string | null {
  if (value === null && (spec.optional || spec.default === null)) return null;
  const found = `found ${JSON.stringify(value)}`;
  switch (spec.type) {
    case 'number':
    case 'integer': {
      const isNumber = spec.type === 'integer' ? Number.isSafeInteger(value) : Number.isFinite(value);
      if (!isNumber) return `expected ${spec.type === 'integer' ? 'a whole number' : 'a number'}, ${found}`;
      const number = value as number;
      if (spec.min !== undefined && number < spec.min) return `expected at least ${spec.min}, ${found}`;
      if (spec.max !== undefined && number > spec.max) return `expected at most ${spec.max}, ${found}`;
      return null;
    }
    case 'boolean':
      return typeof value === 'boolean' ? null : `expected true or false, ${found}`;
    case 'text':
      return typeof value === 'string' ? null : `expected a text, ${found}`;
    case 'choice':
      return spec.choices?.includes(value as string)
        ? null
        : `expected one of ${spec.choices?.join(', ')}, ${found}`;
    case 'texts':
      return Array.isArray(value) && value.every((one) => typeof one === 'string')
        ? null
        : `expected a list of texts, ${found}`;
  }
}

function badRecipe(where: string, problems: readonly string[]): FactoryError {
  return new FactoryError({
    code: 'DATA_BAD_RECIPE',
    message: `${where}: ${problems.join('; ')}`,
    remedy: 'Correct the recipe; "tunesmith help data" lists steps and options.',
    details: { problems },
  });
}
