import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { TrainArgs } from '#factory/records/train-args.ts';
import {
  configHash,
  describeChange,
  diffConfigs,
  RESOLVED_CONFIG_FILE,
  readResolvedConfig,
  writeResolvedConfig,
} from './resolved-config.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tunesmith-config-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

const args = {
  model_name_or_path: 'models/tiny',
  learning_rate: 0.00005,
  lora_target: ['q_proj', 'v_proj'],
  lr_scheduler_kwargs: { b: 1, a: 'x' },
  default_system: null,
  sample_prompts: ['yes', '你好: "x"', '1e5', 'null', '- a\n# b'],
  run_name: '0123',
  logging_steps: 10,
  eval_steps: 50,
  num_train_epochs: 3,
  load_best_model_at_end: false,
  hf_hub_token: 'hf_secret',
} as unknown as TrainArgs;

test('what is written is read with the same hash, and holds no secret', async () => {
  const stored = await writeResolvedConfig(dir, args);
  expect(await readResolvedConfig(dir)).toEqual(stored);
  const text = readFileSync(join(dir, RESOLVED_CONFIG_FILE), 'utf8');
  expect(text).toContain(`# sha256 ${stored.hash}\n`);
  expect(text).not.toContain('hf_secret');
  expect(stored.args.sample_prompts).toEqual(args.sample_prompts);
});

test('the hash ignores the order of keys and the token, and nothing else', () => {
  const hash = configHash(args);
  const reversed = Object.fromEntries(Object.entries(args).reverse());
  expect(configHash({ ...reversed, lr_scheduler_kwargs: { a: 'x', b: 1 }, hf_hub_token: 'other' })).toBe(
    hash,
  );
  for (const change of [
    { learning_rate: 0.00006 },
    { lora_target: ['v_proj', 'q_proj'] },
    { run_name: 123 },
    { logging_steps: 11 },
  ]) {
    expect(configHash({ ...args, ...change })).not.toBe(hash);
  }
});

test('differences say what they change', () => {
  const changes = diffConfigs(args, {
    ...args,
    learning_rate: 0.0001,
    logging_steps: 5,
    eval_steps: 25,
    num_train_epochs: 4,
    hf_hub_token: null,
  });
  expect(changes.map(({ key, effect, drifts }) => [key, effect, drifts])).toEqual([
    ['eval_steps', 'selection', false],
    ['learning_rate', 'result', true],
    ['num_train_epochs', 'length', true],
    ['logging_steps', 'none', false],
  ]);
  expect(describeChange(changes[1])).toBe('learning_rate: 0.00005 → 0.0001 (changes the result)');
  const choosing = { ...args, load_best_model_at_end: true };
  expect(diffConfigs(choosing, { ...choosing, eval_steps: 25 })).toMatchObject([
    { key: 'eval_steps', drifts: true },
  ]);
  expect(diffConfigs(args, { ...args, mystery_key: 1 })).toMatchObject([
    { key: 'mystery_key', before: null, after: 1, drifts: true },
  ]);
  expect(diffConfigs(args, JSON.parse(JSON.stringify(args)))).toEqual([]);
});

test('an absent file is null; an edited or unreadable one is a typed error', async () => {
  expect(await readResolvedConfig(dir)).toBeNull();
  await writeResolvedConfig(dir, args);
  const path = join(dir, RESOLVED_CONFIG_FILE);
  const text = readFileSync(path, 'utf8');
  for (const bad of [
    text.replace('logging_steps: 10', 'logging_steps: 99'),
    '',
    '- a\n',
    'a: [',
    '"x',
    '\0',
    text.slice(9),
  ]) {
    writeFileSync(path, bad);
    await expect(readResolvedConfig(dir)).rejects.toMatchObject({
      code: 'STORE_CHECKPOINT_DAMAGED',
      remedy: expect.stringContaining('overwrite_output_dir'),
    });
  }
});
