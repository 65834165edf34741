import { expect, test } from 'vitest';
import { readDuration, readServeArgs } from './serve-args.ts';

const read = (words: string[], files: Record<string, string> = {}) =>
  readServeArgs(words, {
    readFile: (path) => {
      if (!Object.hasOwn(files, path)) throw new Error('ENOENT');
      return files[path];
    },
  });

const engine = {
  base: null,
  scale: 1,
  context_size: null,
  slots: null,
  threads: null,
  gpu: 'off',
  gpu_layers: null,
  mlock: false,
};

test('a file is served under its name, with adapters under theirs', () => {
  const args = read(['models/shop-q4.gguf', '--adapter', 'v2=a.gguf', '--adapter=v3=b.gguf', '--port', '0']);
  expect(args.models).toEqual([
    {
      kind: 'embedded',
      id: 'shop-q4',
      path: 'models/shop-q4.gguf',
      template: null,
      ...engine,
      adapters: [
        { id: 'v2', path: 'a.gguf', scale: 1 },
        { id: 'v3', path: 'b.gguf', scale: 1 },
      ],
    },
  ]);
  expect(args).toMatchObject({ host: '127.0.0.1', port: 0, access_log: 'stderr', require_keys: null });
});

test('a configuration file has several models, and flags change it', () => {
  const text = `
port: 9000
max_queue: 5
cors_origin: [https://shop.example]
models:
  - path: base.gguf
    template: qwen
    adapters:
      - {id: tuned, path: tuned.gguf, scale: 0.5}
  - id: big
    upstream: https://models.example/v1
    model: Qwen/Qwen2.5-7B-Instruct
    api_key_env: BIG_KEY
    timeout: 30
`;
  const args = read(['serve.yaml', '--port', '9001'], { 'serve.yaml': text });
  expect(args).toMatchObject({ port: 9001, max_queue: 5, cors_origin: ['https://shop.example'] });
  expect(args.models).toEqual([
    {
      kind: 'embedded',
      id: 'base',
      path: 'base.gguf',
      template: 'qwen',
      ...engine,
      adapters: [{ id: 'tuned', path: 'tuned.gguf', scale: 0.5 }],
    },
    {
      kind: 'upstream',
      id: 'big',
      upstream: 'https://models.example/v1',
      model: 'Qwen/Qwen2.5-7B-Instruct',
      api_key_env: 'BIG_KEY',
      context_size: null,
      timeout: 30,
      retries: 2,
      max_tokens_name: 'max_tokens',
    },
  ]);
});

test.each<[string[], string, string]>([
  [[], '', 'ARGS_MISSING'],
  [['a.gguf', 'b.gguf', '--id', 'x'], '', 'ARGS_CONFLICT'],
  [['dir/a.gguf', 'a.gguf'], '', 'ARGS_CONFLICT'],
  [['--upstream', 'http://localhost:1/v1'], '', 'ARGS_MISSING'],
  [['--upstream', 'localhost', '--upstream_model', 'm'], '', 'ARGS_BAD_VALUE'],
  [['--upstream', 'http://a/v1', '--upstream_model', 'm', '--template', 'qwen'], '', 'ARGS_CONFLICT'],
  [['a.gguf', '--upstream_model', 'm'], '', 'ARGS_CONFLICT'],
  [['a.gguf', '--adapter', 'path.gguf'], '', 'ARGS_BAD_VALUE'],
  [['a.gguf', '--prot', '1'], '', 'ARGS_UNKNOWN_KEY'],
  [['a.gguf', '--cors_origin', 'shop.example'], '', 'ARGS_BAD_VALUE'],
  [['none.yaml'], '', 'ARGS_FILE'],
  [['s.yaml'], 'models: a.gguf', 'ARGS_BAD_VALUE'],
  [['s.yaml'], 'models: [{id: a}]', 'ARGS_BAD_VALUE'],
  [['s.yaml'], 'models: [{path: a, upstream: "http://a/v1"}]', 'ARGS_BAD_VALUE'],
  [['s.yaml'], 'models: [{path: a, templat: b}]', 'ARGS_UNKNOWN_KEY'],
  [['s.yaml'], 'models: [{path: a, adapters: [{id: 1}]}]', 'ARGS_BAD_VALUE'],
  [['s.yaml'], 'models: [{path: "a b?"}]', 'ARGS_BAD_VALUE'],
  [['s.yaml'], 'model: a.gguf', 'ARGS_UNKNOWN_KEY'],
])('%j with %j is refused: %s', (words, text, code) => {
  expect(() => read(words, text === '' ? {} : { 's.yaml': text })).toThrow(expect.objectContaining({ code }));
});

test('lives of keys', () => {
  expect(readDuration('90d', 'expires')).toBe(90 * 86_400_000);
  expect(readDuration('30m', 'expires')).toBe(1_800_000);
  expect(() => readDuration('soon', 'expires')).toThrow(expect.objectContaining({ code: 'ARGS_BAD_VALUE' }));
});
