import { describe, expect, test } from 'vitest';
import type { Console } from '../console.ts';
import { progressLine, quantize } from './quantize.ts';

const silent: Console = { out: () => {}, err: () => {}, outIsTty: false, errIsTty: false, columns: 80 };
const run = (...words: string[]) => quantize({ words, json: false, terminal: silent, env: {} });

describe('words that are wrong are refused before anything starts', () => {
  test.each([
    ['no output', ['in.gguf'], 'CLI_USAGE'],
    ['too many words', ['in.gguf', 'out.gguf', 'Q8_0', 'more'], 'CLI_USAGE'],
    ['no type', ['in.gguf', 'out.gguf'], 'ARGS_MISSING'],
    ['two types', ['in.gguf', 'out.gguf', 'Q8_0', '--type', 'Q4_0'], 'ARGS_CONFLICT'],
    ['a type with an importance matrix', ['in.gguf', 'out.gguf', '--type', 'iq4_xs'], 'EXPORT_BAD_TYPE'],
    ['a key that is not known', ['in.gguf', 'out.gguf', '--imatrix', 'x'], 'ARGS_UNKNOWN_KEY'],
    ['no source', ['/nowhere/in.gguf', 'out.gguf', 'Q8_0'], 'MODEL_NOT_FOUND'],
  ])('%s', async (_name, words, code) => {
    await expect(run(...words)).rejects.toMatchObject({ code });
  });
});

test('progress tells the time left once there is something to tell it from', () => {
  const event = { tensor: 'blk.0.attn_q.weight', done: 0, total: 8e8 };
  expect(progressLine(event, 900)).toBe('quantising 0 %  0 B/800 MB  blk.0.attn_q.weight');
  expect(progressLine({ ...event, done: 2e8 }, 30_000)).toBe(
    'quantising 25 %  200 MB/800 MB  0:01:30 left  blk.0.attn_q.weight',
  );
});
