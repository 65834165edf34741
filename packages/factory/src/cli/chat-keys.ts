// In: nothing. Out: the keys that only `tunesmith chat` takes.
import {
  type ArgKey,
  bool,
  choice,
  commandKey as key,
  optional,
  string,
  texts,
} from '#factory/arguments/key.ts';

export const CHAT_KEYS: readonly ArgKey[] = [
  key(
    'beside',
    optional(string),
    null,
    'a second model that answers the same: a folder, a GGUF file, or "base" for the base of the adapter',
  ),
  key(
    'endpoint',
    optional(string),
    null,
    'ask an OpenAI-compatible server at this URL, as http://localhost:8000/v1',
  ),
  key('endpoint_key_env', string, 'OPENAI_API_KEY', 'environment variable that holds its key'),
  key('system', optional(string), null, 'system text before the conversation'),
  key('stop', texts, [], 'texts that end the answer'),
  key(
    'layout',
    choice('auto', 'columns', 'rows'),
    'auto',
    'two answers in columns, or one after the other; auto: columns on a terminal of 80 or more',
  ),
  key('speed', bool, true, 'tell tokens per second after each answer'),
];
