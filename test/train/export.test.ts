// Merged export through the real command line: the same answers as adapters on their base, in every variant and type; whole
// folders or none; and damage that is found later.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeWorld, readJson, safetensorsHeader, tunesmith, type World } from './tiny-world.ts';

let world: World;
beforeAll(() => {
  world = makeWorld('llama-sharded-bf16');
});
afterAll(() => world.dispose());

const exported = (adapters: string[], output: string, ...more: string[]) =>
  tunesmith([
    'export',
    '--model_name_or_path',
    world.model,
    ...(adapters.length > 0 ? ['--adapter_name_or_path', adapters.map((a) => world.at(a)).join(',')] : []),
    '--export_dir',
    world.at(output),
    ...more,
  ]);

const TRAINED = { lora_target: 'all', max_steps: 3, learning_rate: 0.01 };

test.each([
  ['lora', {}],
  ['dora', { use_dora: true }],
  ['pissa', { pissa_init: true }],
  ['whole', { additional_target: 'embed_tokens' }],
])('%s: the merged model answers as the adapter on its base', async (name, flags) => {
  const trained = await world.train(name, { ...TRAINED, ...flags });
  expect([trained.status, trained.status === 0 ? '' : trained.err]).toEqual([0, '']);
  const run = await exported([name], `${name}-merged`, '--export_dtype', 'float32', '--json');
  expect([run.status, run.status === 0 ? '' : run.err]).toEqual([0, '']);
  const { parity, changedTensors } = JSON.parse(run.out);
  expect(changedTensors).toBeGreaterThan(0);
  expect(parity.topTokenAgreement).toBe(1);
  expect(parity.meanKl).toBeLessThan(1e-6);
  // The comparison means something: the adapter did change what the base answers.
  const plain = await exported([], `${name}-base`, '--export_dtype', 'float32', '--verify', 'false');
  expect(plain.status).toBe(0);
  const weights = (folder: string) => readFileSync(join(world.at(folder), 'model.safetensors'));
  expect(weights(`${name}-merged`).equals(weights(`${name}-base`))).toBe(false);
});

test('types, shards and the files of a folder; verify finds what was changed', async () => {
  const run = await exported(['lora'], 'half', '--export_dtype', 'float16', '--export_size', '0.00001');
  expect([run.status, run.status === 0 ? '' : run.err]).toEqual([0, '']);
  expect(run.out).toMatch(/mean KL \d/);
  const names = readdirSync(world.at('half'));
  expect(names).toEqual(
    expect.arrayContaining([
      'config.json',
      'model.safetensors.index.json',
      'tokenizer.json',
      'generation_config.json',
      'tunesmith_export.json',
      'export_parity.json',
    ]),
  );
  const shard = names.find((name) => /^model-00001-of/.test(name)) as string;
  expect(Object.values(safetensorsHeader(world.at('half'), shard))[0].dtype).toBe('F16');
  expect(JSON.stringify(readJson(world.at('half'), 'config.json'))).toMatch(/"(torch_)?dtype":"float16"/);
  const manifest = readJson<{ parents: { role: string }[] }>(world.at('half'), 'tunesmith_export.json');
  expect(manifest.parents.map(({ role }) => role)).toEqual(['base', 'adapter']);

  const whole = await tunesmith(['export', 'verify', world.at('half')]);
  expect([whole.status, whole.out]).toEqual([0, expect.stringMatching(/files are as they were written/)]);
  const path = join(world.at('half'), shard);
  const bytes = readFileSync(path);
  bytes[bytes.length - 1] ^= 1;
  writeFileSync(path, bytes);
  const damaged = await tunesmith(['export', 'verify', world.at('half'), '--json']);
  expect(damaged.status).toBe(1);
  expect(JSON.parse(damaged.out).problems).toEqual([`${shard} differs from its SHA-256 sum`]);
});

test('refusals name the key, and leave no folder', async () => {
  const full = await exported(['lora'], 'lora');
  expect([full.status, full.err]).toEqual([2, expect.stringMatching(/export_dir .* is not empty/)]);
  const nowhere = await tunesmith(['export', '--model_name_or_path', world.model]);
  expect([nowhere.status, nowhere.err]).toEqual([2, expect.stringMatching(/export_dir is missing/)]);
  const missing = await exported(['no-such-adapter'], 'none');
  expect(missing.status).toBe(2);
  expect(existsSync(world.at('none'))).toBe(false);
  const bare = await tunesmith(['export', 'verify', world.model]);
  expect([bare.status, bare.err]).toEqual([2, expect.stringMatching(/EXPORT_BAD_MANIFEST/)]);
});
