// In: the words after an action of `tunesmith data`. Out: its things and options.
import { type CommandWords, readCommandWords } from '#factory/arguments/command-words.ts';
import { DATA_ACTIONS, type DataActionName } from './actions.ts';

export function readDataWords(words: readonly string[], action: DataActionName): CommandWords {
  return readCommandWords(words, DATA_ACTIONS[action].keys, `tunesmith data ${action}`);
}
