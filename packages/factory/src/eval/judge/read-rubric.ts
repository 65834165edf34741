// In: the text of a rubric file. Out: the rubric, checked. Opening the file is left to others.
import { parse } from 'yaml';
import { z } from 'zod';
import { FactoryError } from '#factory/errors.ts';
import { type Rubric, rubricSchema } from '#factory/records/judgement.ts';

export function readRubric(path: string, text: string): Rubric {
  const bad = (found: string, cause?: unknown): FactoryError =>
    new FactoryError({
      code: 'EVAL_BAD_RUBRIC',
      message: `the rubric ${path} cannot be used: ${found}`,
      remedy: `Correct ${path}: it needs name, version, kind (score or pairwise) and criteria.`,
      cause,
    });
  let value: unknown;
  try {
    value = parse(text, { maxAliasCount: 100, logLevel: 'error' });
  } catch (error) {
    throw bad(`it is not YAML (${(error as Error).message.split('\n')[0]})`, error);
  }
  const read = rubricSchema.safeParse(value);
  if (!read.success) throw bad(z.prettifyError(read.error));
  return read.data;
}
