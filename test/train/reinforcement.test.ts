// Runs of stages grpo and ppo through the command line: rewards rise, a run that goes on ends in the same bits also in the
// middle of a round, and a reward that fails costs an answer, or ends the run with a checkpoint.
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  essence,
  type Flags,
  makeWorld,
  readJson,
  readLines,
  safetensorsHeader,
  type World,
} from './tiny-world.ts';

let world: World;
beforeAll(() => {
  world = makeWorld();
  mkdirSync(world.at('rewards'));
  const letters = `export default ({ completion }) =>
    [...completion].filter((letter) => letter >= 'a' && letter <= 'z').length / Math.max(1, completion.length);
let asked = 0;
export const fragile = ({ completion, row }) => {
  if (asked++ % 3 === 0) throw new RangeError('no luck with ' + row.answer.slice(0, 3));
  return completion.length;
};
export const broken = () => { throw new Error('always'); };
let calls = 0;
export const tired = () => { if (++calls > 16) throw new Error('too tired'); return calls % 3; };
`;
  writeFileSync(world.at('rewards', 'letters.ts'), letters);
});
afterAll(() => world.dispose());

const grpo = (more: Flags = {}): Flags => ({
  stage: 'grpo',
  reward_functions: world.at('rewards', 'letters.ts'),
  num_generations: 4,
  max_new_tokens: 8,
  gradient_accumulation_steps: 2,
  lora_target: 'all',
  lora_rank: 4,
  num_train_epochs: 1,
  max_samples: 4,
  save_steps: 3,
  logging_steps: 1,
  ...more,
});
const history = (output: string) =>
  readJson<{ log_history: Record<string, number>[] }>(world.at(output), 'trainer_state.json').log_history;
const rewardsOf = (output: string) => history(output).flatMap(({ reward }) => reward ?? []);
const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;

test('grpo raises its reward, and goes on in the middle of a round to the same bits', async () => {
  // Two steps a round, so that the checkpoint of step 7 holds answers.
  const flags = grpo({
    num_generations: 8,
    per_device_train_batch_size: 16,
    num_iterations: 2,
    grpo_beta: 0.02,
    num_train_epochs: 14,
    learning_rate: 0.02,
    eval_dataset: 'more',
    eval_strategy: 'steps',
    eval_steps: 7,
    save_steps: 7,
  });
  const run = await world.train('grpo', flags);
  expect([run.status, run.status === 0 ? '' : run.err]).toEqual([0, '']);
  const rewards = rewardsOf('grpo');
  expect(mean(rewards.slice(-3))).toBeGreaterThan(mean(rewards.slice(0, 3)) + 0.12);
  const [first] = history('grpo');
  for (const name of ['reward_std', 'kl', 'clip_ratio', 'completion_length', 'entropy', 'rewards/letters'])
    expect(first).toHaveProperty([name]);
  const evaluations = history('grpo').flatMap(({ eval_reward }) => eval_reward ?? []);
  expect(evaluations).toHaveLength(4);
  const lines = readLines(world.at('grpo'), 'completions.jsonl');
  expect(lines[0]).toMatchObject({
    step: 1,
    reward: expect.any(Number),
    prompt: expect.stringContaining('Say'),
  });

  cpSync(world.at('grpo'), world.at('again'), { recursive: true });
  const { log_history } = readJson<{ log_history: object[] }>(
    world.at('grpo', 'checkpoint-7'),
    'trainer_state.json',
  );
  expect(log_history).not.toHaveLength(0);
  const state = readJson<{ state: { experience: object[] } }>(
    world.at('grpo', 'checkpoint-7'),
    'tunesmith_state.json',
  );
  expect(state.state.experience).toHaveLength(32);
  const later = Array.from({ length: 60 }, (_, i) => `checkpoint-${i + 8}`);
  for (const name of [...later, 'trainer_state.json', 'README.md', 'adapter_model.safetensors'])
    rmSync(world.at('again', name), { recursive: true, force: true });
  const again = await world.train('again', flags);
  expect(again.err).toMatch(/going on from .*checkpoint-7/);
  expect(essence(world.at('again'))).toEqual(essence(world.at('grpo')));
  const text = (output: string) => readFileSync(world.at(output, 'completions.jsonl'), 'utf8');
  expect(text('again')).toBe(text('grpo'));
}, 240_000);

test('a reward that throws costs the answer and names its row', async () => {
  const spec = `${world.at('rewards', 'letters.ts')}:fragile`;
  const run = await world.train('fragile', grpo({ reward_functions: spec }));
  expect([run.status, run.status === 0 ? '' : run.err]).toEqual([0, '']);
  expect(run.err).toMatch(/reward fragile failed on row \d of .*tiny\.json: RangeError: no luck with \w+/);
  expect(run.err).toMatch(/step 1\/4 .* reward \d/);
  expect(mean(history('fragile').map(({ reward_failures }) => reward_failures ?? 0))).toBeGreaterThan(0);
}, 120_000);

test('rewards that fail for every answer end the run with what was learned so far', async () => {
  const file = world.at('rewards', 'letters.ts');
  const never = await world.train('never', grpo({ reward_functions: `${file}:broken` }));
  expect(never.status).toBe(2);
  expect(never.err).toMatch(
    /TRAIN_REWARD_FAILED[\s\S]*step 3: no reward could be had for any answer, for 3 rounds in a row/,
  );
  const tired = await world.train(
    'tired',
    grpo({ reward_functions: `${file}:tired`, num_train_epochs: 4, save_steps: 100 }),
  );
  expect(tired.status).toBe(2);
  expect(tired.err).toMatch(/saved .*checkpoint-6[\s\S]*TRAIN_REWARD_FAILED/);
}, 120_000);

test('ppo learns from a server, with a value head, and goes on to the same bits', async () => {
  let asked = 0;
  const server: Server = createServer((request, reply) => {
    let body = '';
    request.on('data', (part) => {
      body += part;
    });
    request.on('end', () => {
      asked++;
      // The first request fails once, and passes at the second try.
      reply.writeHead(asked === 1 ? 503 : 200, { 'content-type': 'application/json' });
      const { messages, completions } = JSON.parse(body) as Record<string, string[]>;
      expect(messages[0]).toContain('Say');
      reply.end(JSON.stringify({ scores: completions.map((text) => text.split('e').length - 1) }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const flags = grpo({
      stage: 'ppo',
      reward_functions: null,
      num_generations: null,
      reward_model: address,
      reward_model_type: 'api',
      ppo_epochs: 2,
      ppo_buffer_size: 2,
      ppo_score_norm: true,
      num_train_epochs: 3,
    });
    const run = await world.train('ppo', flags);
    expect([run.status, run.status === 0 ? '' : run.err]).toEqual([0, '']);
    expect(asked).toBe(4);
    const [first] = history('ppo');
    for (const name of ['reward', 'kl', 'kl_weight', 'policy_loss', 'value_loss', 'value_clip_ratio'])
      expect(first).toHaveProperty([name]);
    expect(Object.keys(safetensorsHeader(world.at('ppo', 'value_head.safetensors')))).toContain(
      'v_head.summary.weight',
    );

    cpSync(world.at('ppo'), world.at('ppo-again'), { recursive: true });
    for (const name of [
      'checkpoint-6',
      'checkpoint-9',
      'checkpoint-12',
      'trainer_state.json',
      'adapter_model.safetensors',
    ])
      rmSync(join(world.at('ppo-again'), name), { recursive: true, force: true });
    const again = await world.train('ppo-again', flags);
    expect(again.err).toMatch(/going on from .*checkpoint-3/);
    expect(essence(world.at('ppo-again'))).toEqual(essence(world.at('ppo')));
  } finally {
    server.close();
  }
}, 240_000);

test('what cannot work is refused before anything is loaded', async () => {
  const run = await world.train('refused', { stage: 'grpo', num_generations: 3, temperature: 0 });
  expect(run.status).toBe(2);
  expect(run.err).toMatch(/ARGS_/);
  for (const part of [
    /neither reward_functions nor reward_model/,
    /no whole groups of 3/,
    /all the same without sampling/,
  ])
    expect(run.err).toMatch(part);
}, 60_000);
