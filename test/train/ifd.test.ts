// `tunesmith data ifd` through the real command line: columns beside the rows, checked against the losses of evaluation.
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeWorld, tunesmith, type World } from './tiny-world.ts';

let world: World;
beforeAll(() => {
  world = makeWorld('llama-sharded-bf16');
});
afterAll(() => world.dispose());

test('every row comes back with its columns, in order; what has no answer has no number', async () => {
  const rows = [
    { instruction: 'Name a colour.', output: 'Blue is a colour.', source: 'a' },
    { instruction: 'Say nothing.', output: '', source: 'b' },
    { instruction: '数一数', output: '一二三四五', source: 'c' },
  ];
  const file = world.at('rows.jsonl');
  writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const run = await tunesmith([
    'data',
    'ifd',
    '--dataset',
    file,
    '--model_name_or_path',
    world.model,
    '--output',
    world.at('scored.jsonl'),
    '--template',
    'default',
    '--max_dropped_fraction',
    '1',
    '--json',
  ]);
  expect([run.status, run.status === 0 ? '' : run.err]).toEqual([0, '']);
  expect(JSON.parse(run.out.trim().split('\n').at(-1) as string)).toMatchObject({ rows: 3, scored: 2 });
  const scored = readFileSync(world.at('scored.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(scored.map(({ source }) => source)).toEqual(['a', 'b', 'c']);
  expect(scored[1].ifd_loss_ratio).toBeNull();
  for (const { nll_given_prompt: given, nll_alone: alone, ifd_loss_ratio: ratio } of [scored[0], scored[2]]) {
    expect(given).toBeGreaterThan(0);
    expect(ratio).toBeCloseTo(given / alone, 12);
  }

  const missing = await tunesmith(['data', 'ifd', '--dataset', file, '--model_name_or_path', world.model]);
  expect([missing.status, missing.err]).toEqual([2, expect.stringMatching(/output is missing/)]);
});
