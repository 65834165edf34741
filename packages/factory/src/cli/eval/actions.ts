// In: nothing. Out: what `tunesmith eval` can do with evaluations that are there, the words that each action takes, and
// its keys. The actions themselves are loaded by commands/eval.ts, one at a time.
import { type ArgKey, choice, float, int, optional, string } from '#factory/arguments/key.ts';

export interface EvalAction {
  meaning: string;
  /** The words after the action, for usage lines. */
  usage: string;
  keys: readonly ArgKey[];
}

function key(name: string, type: ArgKey['type'], value: unknown, meaning: string): ArgKey {
  return { name, group: 'command', type, default: value, meaning, status: 'supported' };
}

const PAIRED = [
  key('correction', choice('holm', 'bh'), 'holm', 'of p values, for many metrics and slices'),
  key('resamples', int(100, 1_000_000), 2000, 'of the paired bootstrap'),
  key('seed', int(0), 0, 'of the paired bootstrap'),
  key('flips', int(0), 20, 'rows to show that only one of the two gets right, of each kind'),
];

export const EVAL_ACTIONS = {
  compare: {
    meaning:
      'paired differences of two evaluations on the same rows, with intervals, slices and flipped rows',
    usage: 'BASE CANDIDATE [--html FILE]',
    keys: [
      key('level', float({ min: 0.5, max: 0.9999 }), 0.95, 'confidence level of the intervals'),
      ...PAIRED,
      key('html', optional(string), null, 'write the comparison as a page to this file'),
    ],
  },
  verdict: {
    meaning: 'ship, do not ship, or not enough evidence, by a rule file; ends with status 0, 1 or 3',
    usage: 'RULES.yaml BASE CANDIDATE [--output_dir DIR]',
    keys: [
      ...PAIRED,
      key(
        'output_dir',
        optional(string),
        null,
        'folder for verdict.json and verdict.html; None takes verdict/ in that of the candidate',
      ),
    ],
  },
} as const satisfies Record<string, EvalAction>;

export type EvalActionName = keyof typeof EVAL_ACTIONS;
