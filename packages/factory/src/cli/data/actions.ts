// In: nothing. Out: what `tunesmith data` can do, the words that each action takes, and its keys. The actions themselves are
// loaded by commands/data.ts, one at a time.
import { type ArgKey, int, optional, string } from '#factory/arguments/key.ts';

export interface DataAction {
  meaning: string;
  /** The words after the action, for usage lines. */
  usage: string;
  keys: readonly ArgKey[];
}

function key(name: string, type: ArgKey['type'], value: unknown, meaning: string): ArgKey {
  return { name, group: 'command', type, default: value, meaning, status: 'supported' };
}

export const DATA_ACTIONS = {
  clean: {
    meaning: 'clean files, folders or patterns; every row that goes has a reason in the ledger',
    usage: 'INPUT... --output_dir DIR [--recipe R.yaml]',
    keys: [
      key('output_dir', optional(string), null, 'folder of the run: ledger, exports, report'),
      key('recipe', string, 'sft-safe', 'a recipe file, or the name of one in recipes/data'),
      key('threads', optional(int(0)), null, 'worker threads; None takes one for every core'),
    ],
  },
} as const satisfies Record<string, DataAction>;

export type DataActionName = keyof typeof DATA_ACTIONS;
