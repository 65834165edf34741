// Stages grpo and ppo with models beside the trained one: a reward model of stage rm, as an adapter and whole, and a copy of
// the base as the reference where the base itself is trained.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makePreferenceWorld, ok, type PreferenceWorld } from './preference-world.ts';
import { type Flags, readLines } from './tiny-world.ts';

let world: PreferenceWorld;
beforeAll(async () => {
  world = makePreferenceWorld();
  const rm = world.stage('rm', 'pairs', { val_size: null, eval_strategy: null, eval_steps: null });
  ok(await world.train('rm', rm));
  ok(await world.train('rm-full', { ...rm, ...FULL, learning_rate: 1e-3 }));
}, 120_000);
afterAll(() => world.dispose());

const FULL: Flags = { finetuning_type: 'full', lora_rank: null, lora_target: null };
const flags = (stage: string, more: Flags): Flags => ({
  stage,
  max_samples: 4,
  num_train_epochs: 2,
  max_new_tokens: 6,
  logging_steps: 1,
  save_steps: 100,
  ...more,
});
const last = (output: string) =>
  world
    .history(output)
    .filter(({ reward }) => reward !== undefined)
    .at(-1) ?? {};

test('ppo by an adapter of the same base, which scores what it would score alone', async () => {
  const run = flags('ppo', { reward_model: world.at('rm'), ppo_epochs: 1, ppo_whiten_rewards: true });
  ok(await world.train('ppo', run));
  expect(last('ppo')['rewards/reward_model']).toBeCloseTo(last('ppo').reward, 10);
  expect(readLines(world.at('ppo'), 'completions.jsonl')[0].reward).toEqual(expect.any(Number));
}, 120_000);

test('grpo by a whole reward model, weighed, near a copy of the base', async () => {
  const run = flags('grpo', {
    ...FULL,
    learning_rate: 1e-3,
    num_generations: 2,
    num_iterations: 2,
    grpo_beta: 0.1,
    reward_model: world.at('rm-full'),
    reward_model_type: 'full',
    reward_weights: '3',
  });
  const trained = await world.train('grpo', run);
  ok(trained);
  expect(trained.err).toMatch(/a copy of it stays in memory as the reference/);
  const { reward, kl, ...entry } = last('grpo');
  expect(3 * entry['rewards/reward_model']).toBeCloseTo(reward, 10);
  expect(kl).toBeGreaterThan(0);
}, 120_000);

test('a folder without a value head is no reward model', async () => {
  const refused = await world.train(
    'refused',
    flags('ppo', { reward_model: world.model, reward_model_type: 'full' }),
  );
  expect(refused.status).toBe(2);
  expect(refused.err).toMatch(/MODEL_BAD_FILE: scores are asked for, but the model has no value head/);
}, 60_000);
