// In: the words after an action on two evaluations. Out: its things and options, and both evaluations compared.
import { type CommandWords, readCommandWords } from '#factory/arguments/command-words.ts';
import { FactoryError } from '#factory/errors.ts';
import { compare } from '#factory/eval/compare/compare.ts';
import type { EvaluationSide } from '#factory/eval/compare/pair-rows.ts';
import { metricPorts } from '#factory/pipeline/evaluate/metric-ports.ts';
import { openEvaluation } from '#factory/pipeline/open-evaluation.ts';
import type { Comparison, Correction } from '#factory/records/comparison.ts';
import { EVAL_ACTIONS, type EvalActionName } from './actions.ts';

/** `names` are the things that the action takes, in order. */
export function readEvalWords(
  words: readonly string[],
  action: EvalActionName,
  names: readonly string[],
): CommandWords {
  const read = readCommandWords(words, EVAL_ACTIONS[action].keys, `tunesmith eval ${action}`);
  if (read.things.length === names.length) return read;
  throw new FactoryError({
    code: 'ARGS_MISSING',
    message: `tunesmith eval ${action}: expected ${names.join(', ')}, found ${read.things.length === 0 ? 'none' : read.things.join(', ')}`,
    remedy: `Write "tunesmith eval ${action} ${EVAL_ACTIONS[action].usage}".`,
  });
}

export interface ComparedSides {
  base: EvaluationSide;
  candidate: EvaluationSide;
  comparison: Comparison;
}

export async function compareFolders(
  [baseFolder, candidateFolder]: readonly string[],
  options: CommandWords['options'],
  level: number,
): Promise<ComparedSides> {
  const base = await openEvaluation(baseFolder);
  const candidate = await openEvaluation(candidateFolder);
  const comparison = compare(
    base,
    candidate,
    await metricPorts(base.record.metrics.map(({ name }) => name)),
    {
      level,
      resamples: options.resamples as number,
      seed: options.seed as number,
      method: 'percentile',
      correction: options.correction as Correction,
      flips: options.flips as number,
    },
  );
  return { base, candidate, comparison };
}
