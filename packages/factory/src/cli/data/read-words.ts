// In: the words after an action of `tunesmith data`. Out: its things and options.
import { type CommandWords, readCommandWords } from '#factory/arguments/command-words.ts';
import { FactoryError } from '#factory/errors.ts';
import { DATA_ACTIONS, type DataActionName } from './actions.ts';

export function readDataWords(words: readonly string[], action: DataActionName): CommandWords {
  return readCommandWords(words, DATA_ACTIONS[action].keys, `tunesmith data ${action}`);
}

/** The folder of the run, for actions that take nothing else. */
export function oneRun(things: readonly string[], action: DataActionName): string {
  const [run, ...more] = things;
  if (run !== undefined && more.length === 0) return run;
  throw new FactoryError({
    code: 'CLI_USAGE',
    message: `tunesmith data ${action}: expected the folder of one cleaning run, found ${things.length === 0 ? 'none' : things.join(' ')}`,
    remedy: `Write "tunesmith data ${action} ${DATA_ACTIONS[action].usage}".`,
  });
}
