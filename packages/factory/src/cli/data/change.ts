// In: the words after `tunesmith data decide` and `restore`. Out: the run decided and exported again, and its new counts.
import { FactoryError } from '#factory/errors.ts';
import type { FinishedRun } from '#factory/pipeline/open-run.ts';
import type { CommandContext } from '../command.ts';
import { oneRun, readDataWords } from './read-words.ts';
import { resultText } from './result-text.ts';

export async function decide(context: CommandContext): Promise<number> {
  const { things, options } = readDataWords(context.words, 'decide');
  const folder = oneRun(things, 'decide');
  const settings = options.set as string[];
  if (settings.length === 0) throw nothingAsked('decide', '--set length.max_chars=4000');
  const { decideAgain } = await import('#factory/pipeline/change-run.ts');
  return show(await decideAgain(folder, settings, Date.now), context);
}

export async function restore(context: CommandContext): Promise<number> {
  const { things, options } = readDataWords(context.words, 'restore');
  const folder = oneRun(things, 'restore');
  const { reason, row, clear } = options as { reason: string[]; row: string[]; clear: boolean };
  if (reason.length + row.length === 0 && !clear) throw nothingAsked('restore', '--reason too_long');
  const change = await import('#factory/pipeline/change-run.ts');
  return show(await change.restore(folder, { reasons: reason, rows: row, clear }, Date.now), context);
}

function show(result: FinishedRun, { json, terminal }: CommandContext): number {
  terminal.out(json ? `${JSON.stringify(result)}\n` : resultText(result));
  return 0;
}

function nothingAsked(action: string, example: string): FactoryError {
  return new FactoryError({
    code: 'ARGS_MISSING',
    message: `tunesmith data ${action}: nothing is asked for`,
    remedy: `Add what to change, as in "tunesmith data ${action} cleaned ${example}".`,
  });
}
