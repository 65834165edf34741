// In: the text of a rule file. Out: the rules, checked. Opening the file and judging by the rules is left to others.
import { parse } from 'yaml';
import { z } from 'zod';
import { FactoryError } from '#factory/errors.ts';
import { type Rules, rulesSchema } from '#factory/records/verdict.ts';

const LIMIT_CHARACTERS = 100_000;

export function readRules(path: string, text: string): Rules {
  const bad = (found: string, cause?: unknown): FactoryError =>
    new FactoryError({
      code: 'EVAL_BAD_RULES',
      message: `the rule file ${path} cannot be used: ${found}`,
      remedy: `Correct ${path}: it needs name, minimum_rows and goals, each goal with metric or business and gain_at_least.`,
      cause,
    });
  if (text.length > LIMIT_CHARACTERS) throw bad(`expected at most ${LIMIT_CHARACTERS} characters`);
  let value: unknown;
  try {
    value = parse(text, { maxAliasCount: 100, logLevel: 'error' });
  } catch (error) {
    throw bad(`it is not YAML (${(error as Error).message.split('\n')[0]})`, error);
  }
  const read = rulesSchema.safeParse(value);
  if (!read.success) throw bad(z.prettifyError(read.error));
  return read.data;
}
