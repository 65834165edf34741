// In: nothing. Out: the keys that only `tunesmith generate` takes.
import { type ArgKey, bool, commandKey as key, optional, string, texts } from '#factory/arguments/key.ts';

export const GENERATE_KEYS: readonly ArgKey[] = [
  key('prompt', optional(string), null, 'the question; without it and prompt_file, standard input'),
  key('prompt_file', optional(string), null, 'a UTF-8 file that holds the question'),
  key('chat', bool, false, 'ask and answer until exit'),
  key('system', optional(string), null, 'system text before the conversation'),
  key('raw', bool, false, 'continue the text as it is, without a template'),
  key('stop', texts, [], 'texts that end the answer'),
  key('stream', bool, true, 'show the answer while it is made'),
];
