// Runs of stages dpo, kto and rm through the command line: what they log and leave, that they go on to the same bits, and
// that a reward model scores as it was trained. What differs by method and reference is in preference.slow.test.ts.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makePreferenceWorld, ok, type PreferenceWorld } from './preference-world.ts';
import { readJson, readLines, safetensorsHeader } from './tiny-world.ts';

let world: PreferenceWorld;
beforeAll(() => {
  world = makePreferenceWorld();
});
afterAll(() => world.dispose());

test('dpo logs rewards and goes on to the same bits, also where the reference must be computed again', async () => {
  const flags = world.stage('dpo', 'pairs', { pref_ftx: 0.1, pref_bco_weight: 0.5 });
  const run = await world.train('dpo', flags);
  ok(run);
  const [first, evaluation, last] = world.history('dpo');
  for (const side of ['chosen', 'rejected', 'margins', 'accuracies'])
    expect(first).toHaveProperty(`rewards/${side}`);
  expect(first).toHaveProperty('logps/chosen');
  for (const name of ['eval_loss', 'eval_rewards/accuracies', 'eval_rewards/margins', 'eval_logps/rejected'])
    expect(evaluation).toHaveProperty(name);
  expect(last['rewards/margins']).toBeGreaterThan(first['rewards/margins']);
  expect(readLines(world.at('dpo'), 'trainer_log.jsonl')[0].accuracy).toBe(first['rewards/accuracies']);
  await world.goesOnToTheSame('dpo', flags, ['reference_logps.safetensors', '.token-cache']);
}, 60_000);

test('rm leaves a value head that scores the same when it is read again', async () => {
  const flags = world.stage('rm', 'pairs', { do_predict: true, val_size: 4, num_train_epochs: 4 });
  ok(await world.train('rm', flags));
  expect(safetensorsHeader(world.at('rm', 'value_head.safetensors'))).toMatchObject({
    'v_head.summary.weight': { dtype: 'F32', shape: [1, 32] },
    'v_head.summary.bias': { dtype: 'F32', shape: [1] },
  });
  expect(Object.keys(safetensorsHeader(world.at('rm', 'adapter_model.safetensors'))).join()).not.toContain(
    'v_head',
  );
  const scores = readLines(world.at('rm'), 'generated_predictions.jsonl') as {
    chosen: number;
    rejected: number;
  }[];
  expect(scores).toHaveLength(4);
  const right = scores.filter(({ chosen, rejected }) => chosen > rejected).length / 4;
  const { eval_accuracy, predict_accuracy } = readJson<Record<string, number>>(
    world.at('rm'),
    'all_results.json',
  );
  expect([eval_accuracy, predict_accuracy]).toEqual([right, right]);

  const adapter = { adapter_name_or_path: world.at('rm'), lora_rank: null, lora_target: null };
  const alone = { ...flags, ...adapter, do_train: null, do_predict: true };
  ok(await world.train('scored', { ...alone, eval_strategy: null, eval_steps: null, save_steps: null }));
  expect(readLines(world.at('scored'), 'generated_predictions.jsonl')).toEqual(scores);
}, 60_000);

test('rows without pairs are refused by name', async () => {
  const run = await world.train('refused', world.stage('dpo', 'pairs', { dataset: 'tiny' }));
  expect(run.status).not.toBe(0);
  expect(run.err).toMatch(/DATA_BAD_INFO[\s\S]*stage dpo trains on pairs/);
}, 60_000);
