// In: nothing. Out: what `tunesmith eval` can do with evaluations that are there, the words that each action takes, and
// its keys. The actions themselves are loaded by commands/eval.ts, one at a time.
import {
  type ArgKey,
  bool,
  choice,
  float,
  int,
  commandKey as key,
  optional,
  string,
} from '#factory/arguments/key.ts';

export interface EvalAction {
  meaning: string;
  /** The words after the action, for usage lines. */
  usage: string;
  keys: readonly ArgKey[];
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
  judge: {
    meaning:
      'score answers, or compare those of two evaluations in both orders, by a language model at an endpoint',
    usage: 'RUBRIC.yaml BASE [CANDIDATE] --endpoint URL --model NAME [--labels people.jsonl]',
    keys: [
      key(
        'endpoint',
        optional(string),
        null,
        'URL of an OpenAI-compatible server, as http://localhost:8000/v1',
      ),
      key('model', optional(string), null, 'the name of the judge at the endpoint'),
      key('api_key_env', string, 'OPENAI_API_KEY', 'environment variable that holds the key of the endpoint'),
      key('concurrency', int(1, 256), 4, 'rows to judge at a time'),
      key('retries', int(0, 100), 4, 'further tries for a request, with growing waits'),
      key('timeout', float({ min: 0, exclusiveMin: true }), 120, 'seconds for an answer'),
      key(
        'labels',
        optional(string),
        null,
        'judgements of people, to measure agreement with: id and label a line',
      ),
      key('cache', optional(string), null, 'file of answers; None takes cache.jsonl in output_dir'),
      key('offline', bool, false, 'replay: answer from the cache alone'),
      key('max_samples', optional(int(1)), null, 'judge the first rows only'),
      key('price_prompt', optional(float({ min: 0 })), null, 'price of a million tokens that are read'),
      key('price_new', optional(float({ min: 0 })), null, 'price of a million tokens that are written'),
      key('level', float({ min: 0.5, max: 0.9999 }), 0.95, 'confidence level of the intervals'),
      key('resamples', int(100, 1_000_000), 2000, 'of the bootstrap'),
      key('seed', int(0), 0, 'of the bootstrap'),
      key(
        'output_dir',
        optional(string),
        null,
        'folder for the report; None takes judge/ in the last evaluation',
      ),
    ],
  },
} as const satisfies Record<string, EvalAction>;

export type EvalActionName = keyof typeof EVAL_ACTIONS;
