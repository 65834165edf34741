// In: nothing. Out: the actions of `tunesmith inferences` with their keys.
import { type ArgKey, bool, int, commandKey as key, optional, string } from './key.ts';

export const DEFAULT_LOG_FILE = '.tunesmith/inferences.sqlite';

const FILE = key('log_file', string, DEFAULT_LOG_FILE, 'the log that "tunesmith serve" wrote');
const FILTER: readonly ArgKey[] = [
  key('since', optional(string), null, 'from then on: a time back as 24h or 7d, or a date as 2026-11-24'),
  key('until', optional(string), null, 'before then'),
  key('model', optional(string), null, 'of this model'),
  key('variant', optional(string), null, 'of this variant'),
  key('key', optional(string), null, 'asked under the API key of this id'),
  key('finish', optional(string), null, 'ended so: stop, length, tool_calls, content_filter'),
  FILE,
];

export interface InferencesAction {
  meaning: string;
  usage: string;
  keys: readonly ArgKey[];
}

export const INFERENCES_ACTIONS = {
  list: {
    meaning: 'the newest requests, a line each',
    usage: '[--limit 20] [--failed true] [--model M] [--since 24h]',
    keys: [
      key('limit', int(1, 100_000), 20, 'most requests'),
      key('failed', optional(bool), null, 'only those with an error, or only those without'),
      ...FILTER,
    ],
  },
  show: {
    meaning: 'all that is kept of one request, by number or by request id',
    usage: 'ID',
    keys: [FILE],
  },
  export: {
    meaning: "conversations with their answers as rows of OpenAI's format, to train on or to evaluate",
    usage: 'ROWS.jsonl [--model M] [--since 7d]',
    keys: [key('cut', bool, false, 'take answers that were cut at the limit of tokens too'), ...FILTER],
  },
} as const satisfies Record<string, InferencesAction>;
