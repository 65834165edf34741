import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkpoints, makeWorld, safetensorsHeader, tunesmith, type World } from './tiny-world.ts';

let world: World;
beforeAll(() => {
  world = makeWorld();
});
afterAll(() => world.dispose());

test('a run that loses its way stops and keeps the last good checkpoint', async () => {
  const change = {
    finetuning_type: 'full',
    lora_target: null,
    lora_rank: null,
    lr_scheduler_type: 'constant_with_warmup',
    save_steps: 1,
    logging_steps: 1,
    warmup_steps: 1,
    num_train_epochs: 30,
    learning_rate: 1e30,
  };
  const run = await world.train('lost', change);
  expect(run.status).toBe(1);
  expect(run.err).toMatch(
    /error TRAIN_DIVERGED: step \d+: .*the step was not applied\n {2}remedy: Lower learning_rate/,
  );
  const kept = checkpoints(world.at('lost'));
  expect(kept.length).toBeGreaterThan(0);
  expect(run.err).toContain(`the checkpoint of step ${kept.at(-1)?.slice(11)} is kept`);
  // Nothing is damaged: the same command stops at the same step.
  const again = await world.train('lost', change);
  expect(again.status).toBe(1);
  expect(again.err).toContain('error TRAIN_DIVERGED');
});

test('a learning rate of a million is stopped too', async () => {
  const run = await world.train('million', {
    learning_rate: 1e6,
    num_train_epochs: 20,
    lora_target: 'all',
    save_steps: 5,
  });
  expect(run.status).toBe(1);
  expect(run.err).toContain('error TRAIN_DIVERGED');
});

test('weights that are not numbers are refused before training', async () => {
  const path = `${world.model}/model.safetensors`;
  const before = readFileSync(path);
  const bytes = Buffer.from(before);
  const [from] = safetensorsHeader(path)['model.norm.weight'].data_offsets;
  bytes.writeFloatLE(Number.NaN, 8 + Number(bytes.readBigUInt64LE(0)) + from);
  writeFileSync(path, bytes);
  const run = await world.train('nan', {});
  const answer = await tunesmith([
    'generate',
    '--model_name_or_path',
    world.model,
    '--template',
    'default',
    '--prompt',
    'Hi',
  ]);
  writeFileSync(path, before);
  for (const { status, err } of [run, answer]) {
    expect([status, err]).toEqual([
      2,
      expect.stringMatching(/error MODEL_BAD_FILE: .*model\.norm\.weight.*\n(.*\n)? {2}remedy: /),
    ]);
  }
});
