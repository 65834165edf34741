// Runs killed at random instants and started again until they end must leave the bytes and logs of one that was not.
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { seededRandom } from '../../packages/factory/src/records/seeded-random.ts';
import { type Ended, ended, essence, type Flags, makeWorld, start, type World } from './tiny-world.ts';

const LORA: Flags = {
  lora_dropout: 0.2,
  num_train_epochs: 4,
  save_steps: 1,
  save_total_limit: 2,
  logging_steps: 1,
  val_size: 4,
  eval_strategy: 'steps',
  eval_steps: 2,
  plot_loss: true,
  include_num_input_tokens_seen: true,
};
const FULL: Flags = {
  ...LORA,
  finetuning_type: 'full',
  lora_target: null,
  lora_rank: null,
  lora_dropout: null,
  learning_rate: 0.001,
  save_steps: 2,
  load_best_model_at_end: true,
  save_total_limit: null,
  do_predict: true,
  predict_with_generate: true,
  max_new_tokens: 8,
  do_sample: false,
};

let world: World;
beforeAll(() => {
  world = makeWorld();
});
afterAll(() => world.dispose());

interface Tally {
  kills: number;
  last: Ended;
}

/** Kills each sitting after a delay drawn from `spread` milliseconds; the sitting that ends by itself is the last. */
async function killUntilDone(output: string, change: Flags, seed: number, spread: number): Promise<Tally> {
  const random = seededRandom(`kills/${seed}`);
  let kills = 0;
  for (let starts = 1; ; starts++) {
    const child = start(['train', ...world.flags(output, change)]);
    // Every sixth one is left alone, so that even a slow machine comes to an end.
    const delay = starts % 6 === 0 ? null : 300 + random.next() * spread;
    const timer = delay === null ? null : setTimeout(() => child.kill('SIGKILL'), delay);
    const last = await ended(child);
    if (timer) clearTimeout(timer);
    if (last.status !== null) return { kills, last };
    kills++;
  }
}

/** Where everything was there before the last kill, the next start says that the run is finished. */
function expectDone({ status, err }: Ended): void {
  if (status !== 0) expect([status, err]).toEqual([2, expect.stringContaining('error TRAIN_FINISHED')]);
}

/** What must be the same, and what must not be left over. */
function compare(output: string, whole: string): void {
  expect(essence(world.at(output))).toEqual(essence(world.at(whole)));
  const names = (name: string) => readdirSync(world.at(name)).sort();
  expect(names(output)).toEqual(names(whole));
  expect(names(output).filter((name) => name.includes('.tmp-') || name.endsWith('.lock'))).toEqual([]);
}

test.each([
  ['an adapter', LORA, 16],
  ['whole weights, the best of them, and predictions', FULL, 12],
] as [string, Flags, number][])('%s, killed again and again', async (name, change, wanted) => {
  const child = start(['train', ...world.flags(`whole ${name}`, change)]);
  const begun = performance.now();
  const whole = await ended(child);
  const span = performance.now() - begun;
  expect([whole.status, whole.status === 0 ? '' : whole.err]).toEqual([0, '']);
  let kills = 0;
  for (let seed = 1; kills < wanted; seed++) {
    const output = `killed ${name} ${seed}`;
    const tally = await killUntilDone(output, change, seed, 0.75 * span);
    kills += tally.kills;
    expectDone(tally.last);
    compare(output, `whole ${name}`);
    rmSync(world.at(output), { recursive: true });
  }
});

test('killed at every moment of the end, a run still leaves everything', async () => {
  const change: Flags = { ...FULL, num_train_epochs: 1 };
  const begun = performance.now();
  expect((await ended(start(['train', ...world.flags('end whole', change)]))).status).toBe(0);
  const span = performance.now() - begun;
  let killedLate = 0;
  for (let i = 0; i < 12; i++) {
    const output = `end ${i}`;
    const child = start(['train', ...world.flags(output, change)]);
    const timer = setTimeout(() => child.kill('SIGKILL'), span * (0.6 + 0.035 * i));
    const first = await ended(child);
    clearTimeout(timer);
    if (first.status === null) {
      if (existsSync(world.at(output, 'checkpoint-2'))) killedLate++;
      const second = await ended(start(['train', ...world.flags(output, change)]));
      expectDone(second);
    }
    compare(output, 'end whole');
    rmSync(world.at(output), { recursive: true });
  }
  expect(killedLate).toBeGreaterThan(0);
});

test('interrupted by Ctrl-C at random instants, a run ends the same', async () => {
  const random = seededRandom('interrupts');
  expect((await ended(start(['train', ...world.flags('calm', LORA)]))).status).toBe(0);
  for (let stops = 0; ; ) {
    const child = start(['train', ...world.flags('nervous', LORA)]);
    let timer: NodeJS.Timeout | undefined;
    child.stderr?.once('data', () => {
      timer = setTimeout(() => child.kill('SIGINT'), random.next() * 1500);
    });
    const sitting = await ended(child);
    clearTimeout(timer);
    if (sitting.status === 0) {
      expect(stops).toBeGreaterThan(0);
      break;
    }
    expect([sitting.status, sitting.status === 130 ? '' : sitting.err]).toEqual([130, '']);
    expect(sitting.out).toContain('go on with:');
    stops++;
  }
  // The checkpoints of the interruptions differ; weights and logs do not.
  expect(essence(world.at('nervous'))).toEqual(essence(world.at('calm')));
});

test('stopped while it predicts, a run goes on with predicting', async () => {
  const change: Flags = { ...FULL, max_new_tokens: 200, per_device_eval_batch_size: 1, num_train_epochs: 1 };
  const child = start(['train', ...world.flags('predicting', change), '--json']);
  child.stdout?.on('data', (text) => {
    if (String(text).includes('"kind":"end"')) setTimeout(() => child.kill('SIGINT'), 150);
  });
  const stopped = await ended(child);
  expect(stopped.status).toBe(130);
  expect(existsSync(world.at('predicting', 'predict_results.json'))).toBe(false);
  const after = await ended(start(['train', ...world.flags('predicting', change)]));
  expect([after.status, after.status === 0 ? '' : after.err]).toEqual([0, '']);
  expect(after.err).toContain('only results are missing');
  expect(existsSync(world.at('predicting', 'generated_predictions.jsonl'))).toBe(true);
});
