// In: nothing. Out: the keys of `tunesmith serve` and `tunesmith keys`, and those of an entry of `models` in its configuration.

import { DEFAULT_LOG_FILE } from './inference-keys.ts';
import {
  type ArgKey,
  bool,
  choice,
  float,
  int,
  commandKey as key,
  list,
  optional,
  string,
  texts,
} from './key.ts';

export const DEFAULT_KEYS_FILE = '.tunesmith/keys.json';

const SECONDS = { min: 0, exclusiveMin: true } as const;

/** How a file is run. */
const ENGINE_KEYS: readonly ArgKey[] = [
  key(
    'context_size',
    optional(int(2)),
    null,
    'tokens of prompt and answer; unset = as trained, if memory allows',
  ),
  key('slots', optional(int(1, 256)), null, 'answers at the same time; unset = 4'),
  key('threads', optional(int(1, 1024)), null, 'threads; unset = one per processor'),
  key('gpu', choice('off', 'auto', 'cuda', 'vulkan', 'metal'), 'off', 'where it runs'),
  key('gpu_layers', optional(int(0)), null, 'layers on the GPU; unset = as many as fit'),
  key('mlock', bool, false, 'keep the weights from being swapped out'),
];

/** One model of the command line; with several, they stand in a configuration file. */
export const MODEL_KEYS: readonly ArgKey[] = [
  key(
    'id',
    optional(string),
    null,
    'the name that requests ask for; unset = the name of the file or upstream model',
  ),
  key(
    'template',
    optional(string),
    null,
    'chat template by name; unset = what the model folder or file brings',
  ),
  key(
    'adapter',
    texts,
    [],
    'NAME=PATH of an adapter that is served as a further model; may be given several times',
  ),
  ...ENGINE_KEYS,
  key('upstream', optional(string), null, 'URL of an OpenAI-compatible server, as http://localhost:8001/v1'),
  key('upstream_model', optional(string), null, 'the name of the model there'),
  key('upstream_key_env', optional(string), null, 'environment variable that holds the key of the upstream'),
  key('upstream_timeout', float(SECONDS), 120, 'longest silence of the upstream in seconds'),
  key('upstream_retries', int(0, 20), 2, 'further tries before the first byte of an answer'),
  key(
    'max_tokens_name',
    choice('max_tokens', 'max_completion_tokens'),
    'max_tokens',
    'how the upstream calls the limit of tokens; newer models of OpenAI take only the second',
  ),
];

export const SERVER_KEYS: readonly ArgKey[] = [
  key(
    'host',
    string,
    '127.0.0.1',
    'address to listen at; other machines reach 0.0.0.0, and then keys are needed',
  ),
  key('port', int(0, 65_535), 8000, 'port to listen at; 0 takes one that is free'),
  key('body_limit', float({ min: 0.001, max: 1000 }), 10, 'megabytes of one request'),
  key('request_timeout', float(SECONDS), 600, 'seconds of one answer'),
  key('max_concurrent', int(1, 100_000), 256, 'requests that are answered at a time'),
  key('max_concurrent_per_key', optional(int(1, 100_000)), null, 'of those, under one API key'),
  key('max_queue', int(0, 1_000_000), 1024, 'requests that wait; more are told to come again'),
  key('queue_timeout', float(SECONDS), 60, 'seconds that a request waits'),
  key('shutdown_timeout', float({ min: 0 }), 30, 'seconds that a shutdown waits for answers under way'),
  key(
    'require_keys',
    optional(bool),
    null,
    'ask for API keys; unset = where host is not this machine alone, or a source of keys is given',
  ),
  key('keys_file', string, DEFAULT_KEYS_FILE, 'keys that tunesmith keys makes'),
  key(
    'api_key_file',
    optional(string),
    null,
    'a secret file with a key per line, or KEY infer,admin,metrics',
  ),
  key(
    'api_key_env',
    string,
    'TUNESMITH_API_KEY',
    'environment variable that holds a key with the scopes infer and metrics',
  ),
  key(
    'cors_origin',
    list,
    [],
    'origins of pages that may ask from a browser, as https://shop.example; none by default',
  ),
  key('access_log', string, 'stderr', 'one JSON line per request: stderr, off, or a file'),
  key(
    'log',
    choice('off', 'meta', 'full'),
    'meta',
    'log of inferences: nothing, tokens and times, or texts too, which retraining can use',
  ),
  key('log_file', string, DEFAULT_LOG_FILE, 'where it is; "tunesmith inferences" reads it'),
  key('log_retention', optional(float(SECONDS)), null, 'days that it keeps; unset = all'),
  key('log_redact', bool, true, 'replace personal data in its texts'),
  key(
    'otlp_endpoint',
    optional(string),
    null,
    'OpenTelemetry collector for traces, as http://localhost:4318; unset = OTEL_EXPORTER_OTLP_ENDPOINT',
  ),
];

export const SERVE_KEYS: readonly ArgKey[] = [...MODEL_KEYS, ...SERVER_KEYS];

/** Keys of an entry of `models` that names an upstream. */
export const UPSTREAM_ENTRY_KEYS: readonly ArgKey[] = [
  key('id', optional(string), null, 'the name that requests ask for'),
  key('upstream', string, null, 'URL of the server'),
  key('model', optional(string), null, 'its name there; unset = id'),
  key('api_key_env', optional(string), null, 'environment variable that holds its key'),
  key('context_size', optional(int(1)), null, 'tokens of prompt and answer together'),
  key('timeout', float(SECONDS), 120, 'longest silence in seconds'),
  key('retries', int(0, 20), 2, 'further tries before the first byte of an answer'),
  key('max_tokens_name', choice('max_tokens', 'max_completion_tokens'), 'max_tokens', 'name of the limit'),
];

/** Keys of an entry of `models` that names a file or folder. `adapters` is a list of its own. */
export const EMBEDDED_ENTRY_KEYS: readonly ArgKey[] = [
  key('id', optional(string), null, 'the name that requests ask for; unset = the name of the file'),
  key('path', string, null, 'a GGUF file or a model folder'),
  key('template', optional(string), null, 'chat template by name'),
  key('base', optional(string), null, 'id of a served model that this file is an adapter for'),
  key('scale', float(), 1, 'how much of that adapter'),
  ...ENGINE_KEYS,
];

const KEYS_FILE = key('keys_file', string, DEFAULT_KEYS_FILE, 'where the keys are');

export const KEYS_ACTIONS = {
  create: {
    meaning: 'make a key and show it once',
    usage: '[--name NAME] [--scopes infer,admin,metrics] [--expires 90d]',
    keys: [
      key('name', string, 'unnamed', 'what the key is for'),
      key('scopes', list, ['infer'], 'what it may: infer, admin, metrics'),
      key('expires', optional(string), null, 'its life, as 12h, 90d or 1y; unset = without end'),
      KEYS_FILE,
    ],
  },
  list: { meaning: 'keys by id, without their text', usage: '', keys: [KEYS_FILE] },
  rotate: {
    meaning: 'a new key with the name and scopes of an old one',
    usage: 'ID [--grace 24h]',
    keys: [key('grace', optional(string), null, 'how long the old key still works, as 24h'), KEYS_FILE],
  },
  revoke: {
    meaning: 'end a key; servers that run notice it within a second',
    usage: 'ID',
    keys: [KEYS_FILE],
  },
} as const satisfies Record<string, { meaning: string; usage: string; keys: readonly ArgKey[] }>;

export type KeysActionName = keyof typeof KEYS_ACTIONS;
