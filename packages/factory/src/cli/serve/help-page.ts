// In: the tables of `tunesmith serve` and `tunesmith keys`. Out: their help pages.
import {
  EMBEDDED_ENTRY_KEYS,
  KEYS_ACTIONS,
  MODEL_KEYS,
  SERVER_KEYS,
  UPSTREAM_ENTRY_KEYS,
} from '#factory/arguments/table-serve.ts';
import { asJson, line } from '../help-pages.ts';

export function servePage(): string {
  return [
    'tunesmith serve: answer over HTTP as OpenAI does',
    '',
    '  tunesmith serve support-q4_k_m.gguf --adapter v2=adapter-v2.gguf --port 8000',
    '  tunesmith serve --upstream http://localhost:8001/v1 --upstream_model Qwen/Qwen2.5-7B-Instruct --id support',
    '  tunesmith serve serve.yaml --port 8080',
    '',
    'Paths: /v1/chat/completions, /v1/completions, /v1/embeddings, /v1/models; /healthz, /readyz, /metrics; and',
    '/admin/models (GET lists, POST loads or swaps, DELETE unloads) under a key with the scope admin.',
    'Without API keys only this machine may ask. The first Ctrl-C finishes answers, the second ends at once.',
    '',
    'The model of the command line:',
    ...MODEL_KEYS.map(line),
    '',
    'The server; these keys may stand in a YAML or JSON file too:',
    ...SERVER_KEYS.map(line),
    '',
    'In the file, models is a list. An entry with upstream:',
    ...UPSTREAM_ENTRY_KEYS.map(line),
    '',
    'An entry with path; adapters is a list of {id, path, scale}:',
    ...EMBEDDED_ENTRY_KEYS.map(line),
    '',
  ].join('\n');
}

export function serveJson(): string {
  const entries = { upstream: UPSTREAM_ENTRY_KEYS.map(asJson), path: EMBEDDED_ENTRY_KEYS.map(asJson) };
  return `${JSON.stringify({ keys: [...MODEL_KEYS, ...SERVER_KEYS].map(asJson), models: entries })}\n`;
}

export function keysPage(): string {
  const actions = Object.entries(KEYS_ACTIONS).flatMap(([name, { meaning, usage, keys }]) => [
    `  tunesmith keys ${name} ${usage}`.trimEnd(),
    `    ${meaning}`,
    ...keys.map((key) => `  ${line(key)}`),
    '',
  ]);
  return [
    'tunesmith keys: API keys of the server',
    '',
    ...actions,
    'The file has no key, only sums of keys; servers that run notice changes within a second.',
    '',
  ].join('\n');
}

export function keysJson(): string {
  const actions = Object.entries(KEYS_ACTIONS).map(([name, { meaning, keys }]) => [
    name,
    { meaning, keys: keys.map(asJson) },
  ]);
  return `${JSON.stringify({ actions: Object.fromEntries(actions) })}\n`;
}
