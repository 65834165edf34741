// In: the verdict that a model has passed, and the same model in a smaller form. Out: the verdict of that form by the same rules, on
// the same rows, in place of the same base; a typed error where it does not pass. A model that has not passed has nothing to lose.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { FactoryError } from '#factory/errors.ts';
import { compare } from '#factory/eval/compare/compare.ts';
import { foundWords, nameWords, ruleWords } from '#factory/eval/report/verdict-words.ts';
import { verdict as makeVerdict } from '#factory/eval/verdict/verdict.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { type Criterion, rulesSchema, type Verdict } from '#factory/records/verdict.ts';
import { readError } from '#factory/store/read-error.ts';
import { hashModel } from './evaluate/describe-evaluation.ts';
import { metricPorts } from './evaluate/metric-ports.ts';
import { type ExportRecipe, evaluateGguf, type RecipeDeps } from './evaluate-export.ts';
import { openEvaluation } from './open-evaluation.ts';
import { ownVersion } from './write-outputs.ts';

const parentSchema = z.looseObject({
  format: z.literal(1),
  decision: z.enum(['ship', 'do_not_ship', 'not_enough_evidence']),
  rules: z.looseObject({ path: z.string(), sha256: z.string(), modifiedAt: z.string() }),
  comparison: z.looseObject({
    base: z.looseObject({ folder: z.string() }),
    candidate: z.looseObject({ folder: z.string() }),
    level: z.number(),
    resamples: z.number(),
    seed: z.union([z.number(), z.string()]),
    correction: z.enum(['holm', 'bh']),
  }),
  candidate: z.looseObject({
    config: z.record(z.string(), z.unknown()),
    model: z.looseObject({
      sha256: z.string().nullable(),
      adapters: z.array(z.looseObject({ sha256: z.string() })),
    }),
  }),
});

export type ParentVerdict = z.infer<typeof parentSchema>;

/** Of a file, or of `verdict.json` in a folder. */
export async function readParentVerdict(path: string): Promise<ParentVerdict> {
  const file = path.endsWith('.json') ? path : join(path, 'verdict.json');
  let value: unknown;
  try {
    value = JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) throw badVerdict(file, error.message);
    throw readError(error, file, 'EXPORT_BAD_VERDICT');
  }
  const parsed = parentSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { path: where, message } = parsed.error.issues[0];
  throw badVerdict(file, `${where.join('.')}: ${message}`);
}

export interface VerdictGate {
  parent: ParentVerdict;
  /** As the evaluation of the parent was made. */
  recipe: ExportRecipe;
}

/** `model` opens the one that passed. Null where it has not passed: then there is nothing to lose. */
export async function gateByVerdict(
  { parent, recipe }: VerdictGate,
  model: TrainArgs,
  baseDir: string,
  file: string,
  dir: string,
  deps: RecipeDeps,
): Promise<Verdict | null> {
  await requireSameModel(parent, model, baseDir);
  if (parent.decision !== 'ship') return null;
  await evaluateGguf(recipe, file, dir, model.adapter_name_or_path, deps);
  const { comparison } = parent;
  const base = await openEvaluation(comparison.base.folder);
  const candidate = await openEvaluation(dir);
  const { path, sha256, modifiedAt, ...rules } = parent.rules;
  const ruleFile = { rules: rulesSchema.parse(rules), path, sha256, modifiedAt };
  return makeVerdict(
    ruleFile,
    base,
    candidate,
    compare(base, candidate, await metricPorts(base.record.metrics.map(({ name }) => name)), {
      level: comparison.level,
      resamples: comparison.resamples,
      seed: comparison.seed,
      method: 'percentile',
      correction: comparison.correction,
      flips: 0,
    }),
    { version: await ownVersion(), now: new Date(deps.now()).toISOString() },
  );
}

export function refusedByVerdict(made: Verdict, what: string): FactoryError {
  const missed = made.criteria.filter(({ state }) => state !== 'met').map(words);
  return new FactoryError({
    code: 'EXPORT_VERDICT',
    message: `${what} does not pass the verdict "${made.rules.name}" that the model before the export has passed: ${missed.join('; ')}`,
    remedy: 'Choose a type with more bits, such as q8_0; --force true keeps it all the same.',
    details: { decision: made.decision, criteria: made.criteria },
  });
}

function words(criterion: Criterion): string {
  const parts = [nameWords(criterion), ruleWords(criterion), foundWords(criterion)].map(({ en }) => en);
  return `${parts[0]}: expected ${parts[1]}, found ${parts[2]}`;
}

async function requireSameModel(
  { candidate }: ParentVerdict,
  { adapter_name_or_path: dirs }: TrainArgs,
  baseDir: string,
): Promise<void> {
  const { sha256, adapters } = candidate.model;
  const judged = [sha256 ?? 'none', ...adapters.map((one) => one.sha256)];
  const own: string[] = [];
  for (const dir of [baseDir, ...dirs]) own.push((await hashModel(dir)).sha256);
  if (judged.length === own.length && judged.every((sum, i) => sum === own[i])) return;
  const shown = (sums: readonly string[]) => sums.map((sum) => sum.slice(0, 12)).join(', ');
  throw new FactoryError({
    code: 'EXPORT_BAD_VERDICT',
    message: `the verdict is of another model: expected the hashes ${shown(own)} of the base and its adapters, found ${shown(judged)}`,
    remedy: 'Name the verdict of the model that is exported, or export the one that it was made of.',
  });
}

function badVerdict(file: string, found: string): FactoryError {
  return new FactoryError({
    code: 'EXPORT_BAD_VERDICT',
    message: `${file}: expected a verdict that tunesmith eval verdict wrote, found ${found}`,
    remedy: 'Name the folder or the verdict.json that tunesmith eval verdict wrote.',
  });
}
