// Methods and references of preference training at length: full tuning, a reference model, no reference, KTO.
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makePreferenceWorld, ok, type PreferenceWorld } from './preference-world.ts';

let world: PreferenceWorld;
beforeAll(() => {
  world = makePreferenceWorld();
});
afterAll(() => world.dispose());

test('dpo goes on to the same bits with its stored reference', async () => {
  const flags = world.stage('dpo', 'pairs', { pref_ftx: 0.1, pref_bco_weight: 0.5 });
  ok(await world.train('stored', flags));
  await world.goesOnToTheSame('stored', flags);
}, 60_000);

test('full tuning is compared with the model before training, also after a stop', async () => {
  const flags = world.stage('dpo', 'pairs', {
    finetuning_type: 'full',
    lora_rank: null,
    lora_target: null,
    learning_rate: 1e-3,
  });
  ok(await world.train('full', flags));
  const [first, , last] = world.history('full');
  expect(Math.abs(first['rewards/margins'])).toBeLessThan(Math.abs(last['rewards/margins']));
  await world.goesOnToTheSame('full', flags, ['reference_logps.safetensors']);
}, 60_000);

test('ref_model is the reference that is named, with its adapters', async () => {
  // The reference is the tuned model, so the policy starts far from it: below on what was chosen.
  ok(await world.train('dpo', world.stage('dpo', 'pairs')));
  const flags = world.stage('dpo', 'pairs', {
    ref_model: world.model,
    ref_model_adapters: world.at('dpo'),
    max_steps: 1,
    logging_steps: 1,
    eval_strategy: 'no',
    val_size: 0,
  });
  ok(await world.train('other', flags));
  const [entry] = world.history('other');
  expect(entry['rewards/chosen']).toBeLessThan(0);
  expect(entry['rewards/rejected']).toBeGreaterThan(0);
}, 60_000);

test('without a reference there is none to compute', async () => {
  const run = await world.train('orpo', world.stage('dpo', 'pairs', { pref_loss: 'orpo', max_steps: 2 }));
  ok(run);
  expect(world.history('orpo')[0]).toHaveProperty('odds_ratio_loss');
  expect(existsSync(world.at('orpo', 'reference_logps.safetensors'))).toBe(false);
}, 60_000);

test('kto logs both sides and the KL term, and goes on to the same bits', async () => {
  const flags = world.stage('kto', 'rated');
  ok(await world.train('kto', flags));
  const [first, evaluation] = world.history('kto');
  for (const name of ['rewards/chosen', 'rewards/rejected', 'rewards/margins', 'logps/chosen', 'kl'])
    expect(first).toHaveProperty(name);
  expect(evaluation).toHaveProperty('eval_loss');
  await world.goesOnToTheSame('kto', flags);
}, 60_000);
