// Training plans first: what cannot fit is refused before weights are read, and what ran is told beside what was planned.
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeWorld, readJson, type World } from './tiny-world.ts';

let world: World;
beforeAll(() => {
  world = makeWorld();
});
afterAll(() => world.dispose());

test('a run that cannot fit is refused, with what to do', async () => {
  const run = await world.train('small', { memory: '20MB' }, ['--json']);
  expect(run.status).toBe(1);
  const error = JSON.parse(run.err.trim().split('\n').at(-1) as string);
  expect(error.error ?? error).toMatchObject({ code: 'PLAN_DOES_NOT_FIT' });
  expect(run.err).toMatch(/20.*given by memory|0\.02 GB are given by memory/);
  expect(run.err).toMatch(/ignore_plan/);
  expect(existsSync(world.at('small', 'adapter_model.safetensors'))).toBe(false);
});

test('or goes on anyway where one says so; planned and measured stand in the results', async () => {
  const run = await world.train('anyway', { memory: '20MB', ignore_plan: true, max_steps: 1 });
  expect([run.status, run.status === 0 ? '' : run.err]).toEqual([0, '']);
  expect(run.err).toMatch(/planned peak \d\.\d\d GB of 0\.02 GB; activations of none of 3 layers are kept/);
  const results = readJson<Record<string, number>>(world.at('anyway', 'train_results.json'));
  expect(results.peak_memory_gb).toBeGreaterThan(0.05);
  // The model is tiny, so this is the runtime alone.
  expect(results.planned_memory_gb).toBeGreaterThan(0.05);
});

test('memory must be a size', async () => {
  const run = await world.train('bad', { memory: 'lots' });
  expect(run.status).toBe(2);
  expect(run.err).toMatch(/memory: expected a size such as 12GB/);
});
