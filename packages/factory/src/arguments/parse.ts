// In: the words after `tunesmith train` or `tunesmith generate`. Out: final arguments, notes on how they were
// understood, and what was given. It opens no file but the configuration, and looks at neither model nor data.
import type { EvalArgs } from '#factory/records/eval-args.ts';
import type { ArgNote, TrainArgs } from '#factory/records/train-args.ts';
import { checkModelArgs, checkTrainArgs } from './check.ts';
import { deriveArgs } from './derive.ts';
import { eraNotes } from './era.ts';
import type { ArgKey } from './key.ts';
import { type ArgDeps, readArgs } from './read.ts';

export interface ParsedTrainArgs {
  args: TrainArgs;
  notes: ArgNote[];
  /** Every known key that was given, under today's name, with its typed value. */
  given: Record<string, unknown>;
}

export function parseTrainArgs(words: readonly string[], deps: ArgDeps): ParsedTrainArgs {
  const read = readArgs(words, deps);
  const derived = deriveArgs(read.values, read.given);
  checkTrainArgs(derived.args, read.given);
  const notes = [...eraNotes(read.eraNames, derived.args, read.given), ...read.notes, ...derived.notes];
  return { args: derived.args, notes, given: read.given };
}

/** The same keys for a command that only answers; `extra` are the keys of that command, returned in `options`. */
export function parseModelArgs(
  words: readonly string[],
  extra: readonly ArgKey[],
  deps: ArgDeps,
): ParsedTrainArgs & { options: Record<string, unknown> } {
  const parsed = parseWith(extra, words, deps);
  checkModelArgs(parsed.args);
  return parsed;
}

/** The same keys for a plan, which needs neither data nor an output folder; rules between keys are checked by training. */
export function parsePlanArgs(
  words: readonly string[],
  extra: readonly ArgKey[],
  deps: ArgDeps,
): ParsedTrainArgs & { options: Record<string, unknown> } {
  const parsed = parseWith(extra, words, deps);
  parsed.args.model_name_or_path ??= '';
  return parsed;
}

/** The same keys for an evaluation, which answers without sampling unless it is told to; `extra` are those of EvalArgs. */
export function parseEvalArgs(
  words: readonly string[],
  extra: readonly ArgKey[],
  deps: ArgDeps,
): ParsedTrainArgs & { evalArgs: EvalArgs } {
  const { args, notes, given, options } = parseWith(extra, words, deps);
  args.model_name_or_path ??= '';
  if (!Object.hasOwn(given, 'do_sample')) args.do_sample = false;
  return { args, notes, given, evalArgs: options as unknown as EvalArgs };
}

function parseWith(extra: readonly ArgKey[], words: readonly string[], deps: ArgDeps) {
  const { values, given, notes } = readArgs(words, deps, extra);
  const { args } = deriveArgs(values, given);
  const options = Object.fromEntries(extra.map((key) => [key.name, values[key.name]]));
  return { args, notes, given, options };
}
