import { cpSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  checkpoints,
  type Ended,
  ended,
  essence,
  eventsOf,
  type Flags,
  makeWorld,
  start,
  type World,
} from './tiny-world.ts';

/** Dropout, accumulation and evaluations; 4 steps an epoch, so that checkpoints of every third step cross its borders. */
const WHOLE: Flags = { lora_dropout: 0.2, save_steps: 3, num_train_epochs: 3 };

let world: World;
let whole: Ended;
beforeAll(async () => {
  world = makeWorld();
  whole = await world.train('whole', WHOLE);
});
afterAll(() => world.dispose());

/** Starts a run with --json and does `act` when the step event `step` has been printed. */
async function actAtStep(
  output: string,
  step: number,
  signal: NodeJS.Signals,
  change: Flags = WHOLE,
): Promise<Ended> {
  const child = start(['train', ...world.flags(output, change), '--json']);
  let seen = '';
  let isSent = false;
  child.stdout?.on('data', (text) => {
    seen += text;
    if (isSent || !seen.includes(`{"kind":"step","step":${step},`)) return;
    isSent = true;
    child.kill(signal);
  });
  return ended(child);
}

/** A copy of a run that was cut before its outputs: the checkpoints up to `last`, the log and the token cache. */
function cut(from: string, to: string, last: number): void {
  cpSync(world.at(from), world.at(to), { recursive: true });
  for (const name of checkpoints(world.at(to)))
    if (Number(name.slice(11)) > last) rmSync(world.at(to, name), { recursive: true });
  for (const name of ['adapter_model.safetensors', 'adapter_config.json', 'trainer_state.json', 'README.md'])
    rmSync(world.at(to, name));
}

const ok = (run: Ended) => expect([run.status, run.status === 0 ? '' : run.err]).toEqual([0, '']);

test('the uninterrupted run is good', () => {
  ok(whole);
  expect(checkpoints(world.at('whole'))).toEqual([
    'checkpoint-3',
    'checkpoint-6',
    'checkpoint-9',
    'checkpoint-12',
  ]);
});

describe('Ctrl-C', () => {
  test('saves, ends with 130, says how to go on, and the run goes on to the same bits', async () => {
    const stopped = await actAtStep('stopped', 5, 'SIGINT');
    expect(stopped.status).toBe(130);
    const saved = checkpoints(world.at('stopped')).at(-1);
    expect(Number(saved?.slice(11))).toBeGreaterThanOrEqual(5);
    expect(eventsOf(stopped).at(-1)).toMatchObject({ kind: 'result', stopped: 'interrupted' });
    const after = await world.train('stopped', WHOLE);
    ok(after);
    expect(after.err).toMatch(/tokens taken from the cache/);
    expect(after.err).toMatch(/going on from .*checkpoint-\d+: step \d+ of 12/);
    expect(essence(world.at('stopped'))).toEqual(essence(world.at('whole')));
  });

  test('prints the command to go on with', async () => {
    const child = start([
      'train',
      ...world.flags('spoken', { ...WHOLE, overwrite_output_dir: true, save_only_model: true }),
    ]);
    child.stderr?.on('data', (text) => {
      if (String(text).includes('step 2/')) child.kill('SIGINT');
    });
    const stopped = await ended(child);
    expect(stopped.status).toBe(130);
    expect(stopped.err).toContain('stopping after this step');
    expect(stopped.out).toMatch(
      /stopped and saved in .*; go on with:\n {2}tunesmith train .*--lora_dropout 0\.2/,
    );
    // overwrite_output_dir would begin anew.
    const command = stopped.out.trim().split('\n').at(-1) as string;
    const words = command.trim().split(' ').slice(1);
    const after = await ended(start(words));
    ok(after);
    expect(after.err).toMatch(/going on from .*checkpoint-\d+/);
    expect(essence(world.at('spoken'))).toEqual(essence(world.at('whole')));
  });
});

test('three kills, and the run ends with the same bits and log', async () => {
  for (const step of [2, 7, 10]) {
    const killed = await actAtStep('killed', step, 'SIGKILL');
    expect(killed.status).toBe(null);
  }
  const last = await world.train('killed', WHOLE);
  ok(last);
  expect(last.err).toContain('tokens taken from the cache');
  expect(essence(world.at('killed'))).toEqual(essence(world.at('whole')));
});

test('a run that was cut after its last checkpoint writes what is missing, once', async () => {
  cut('whole', 'late', 12);
  ok(await world.train('late', WHOLE));
  expect(essence(world.at('late'))).toEqual(essence(world.at('whole')));
});

describe('a damaged checkpoint', () => {
  test.each([
    [
      'a changed byte',
      (dir: string) => {
        const path = join(dir, 'optimizer.safetensors');
        const bytes = readFileSync(path);
        bytes[bytes.length - 5] ^= 1;
        writeFileSync(path, bytes);
      },
      /optimizer\.safetensors differs from its SHA-256/,
    ],
    [
      'a cut file',
      (dir: string) => truncateSync(join(dir, 'trained_parameters.safetensors'), 100),
      /has 100 bytes where/,
    ],
    ['no manifest', (dir: string) => rmSync(join(dir, 'tunesmith_checkpoint.json')), /manifest|is missing/],
  ] as const)('with %s is passed over', async (name, damage, reason) => {
    const output = `damaged ${name}`;
    cut('whole', output, 9);
    damage(world.at(output, 'checkpoint-9'));
    const run = await world.train(output, WHOLE);
    ok(run);
    expect(run.err).toMatch(/passed over .*checkpoint-9/);
    expect(run.err).toMatch(reason);
    expect(run.err).toMatch(/going on from .*checkpoint-6/);
    expect(essence(world.at(output))).toEqual(essence(world.at('whole')));
  });

  test('and no good one is an error', async () => {
    cut('whole', 'ruined', 6);
    for (const name of checkpoints(world.at('ruined')))
      truncateSync(world.at('ruined', name, 'optimizer.safetensors'), 9);
    const run = await world.train('ruined', WHOLE);
    expect(run.status).toBe(2);
    expect(run.err).toMatch(
      /error STORE_NO_CHECKPOINT: .*all are damaged\n.*remedy: Set overwrite_output_dir/,
    );
    expect(checkpoints(world.at('ruined'))).toEqual(['checkpoint-3', 'checkpoint-6']);
  });
});

describe('another configuration', () => {
  test('is refused key by key, and taken with allow_drift', async () => {
    cut('whole', 'drift', 9);
    const refused = await world.train('drift', { ...WHOLE, learning_rate: 0.02, lora_dropout: 0.1 });
    expect(refused.status).toBe(1);
    expect(refused.err).toContain('error TRAIN_DRIFT');
    expect(refused.err).toContain('learning_rate: 0.01 → 0.02 (changes the result)');
    expect(refused.err).toContain('lora_dropout: 0.2 → 0.1 (changes the result)');
    expect(refused.err).toMatch(/remedy: .*--allow-drift/);
    const allowed = await world.train('drift', { ...WHOLE, learning_rate: 0.02, lora_dropout: 0.1 }, [
      '--allow-drift',
    ]);
    ok(allowed);
    expect(allowed.err).toContain('changed since the checkpoint: learning_rate: 0.01 → 0.02');
    const { history } = essence(world.at('drift'));
    expect(history.slice(0, 4)).toEqual(essence(world.at('whole')).history.slice(0, 4));
    expect(history.at(-1)?.learning_rate).toBe(
      2 * (essence(world.at('whole')).history.at(-1)?.learning_rate as number),
    );
  });

  test('that cannot change the weights is let pass', async () => {
    cut('whole', 'harmless', 9);
    const run = await world.train('harmless', { ...WHOLE, logging_steps: 1, save_steps: 2, plot_loss: true });
    ok(run);
    expect(run.err).toContain('logging_steps: 2 → 1 (does not change the weights)');
    expect(essence(world.at('harmless')).weights).toEqual(essence(world.at('whole')).weights);
    expect(readFileSync(world.at('harmless', 'resolved_config.yaml'), 'utf8')).toMatch(/^logging_steps: 1$/m);
  });

  test('of the data is refused, and nothing is deleted', async () => {
    cut('whole', 'data-drift', 9);
    const path = join(world.data, 'tiny.json');
    const before = readFileSync(path, 'utf8');
    writeFileSync(path, before.replace('Say cat', 'Say CAT'));
    const refused = await world.train('data-drift', {
      ...WHOLE,
      resume_from_checkpoint: world.at('data-drift', 'checkpoint-3'),
    });
    writeFileSync(path, before);
    expect(refused.status).toBe(1);
    expect(refused.err).toMatch(/error TRAIN_DRIFT: .*checkpoint-3 was trained on other rows/);
    expect(checkpoints(world.at('data-drift'))).toHaveLength(3);
  });
});

describe('a finished run', () => {
  test('is not run again', async () => {
    const before = essence(world.at('whole'));
    const again = await world.train('whole', WHOLE);
    expect(again.status).toBe(2);
    expect(again.err).toMatch(
      /error TRAIN_FINISHED: .* 12 steps are done\n {2}remedy: Add --extend .*overwrite_output_dir/,
    );
    expect(essence(world.at('whole'))).toEqual(before);
    const longer = await world.train('whole', { ...WHOLE, num_train_epochs: 4 });
    expect(longer.status).toBe(1);
    expect(longer.err).toMatch(/num_train_epochs: 3 → 4/);
    expect(longer.err).toMatch(/remedy: Add --extend/);
  });

  test('is lengthened with --extend, and its log goes on', async () => {
    cpSync(world.at('whole'), world.at('longer'), { recursive: true });
    const run = await world.train('longer', { ...WHOLE, num_train_epochs: 4 }, ['--extend']);
    ok(run);
    const { history, log } = essence(world.at('longer'));
    const short = essence(world.at('whole'));
    expect(history.map((e) => e.step)).toEqual([2, 4, 6, 8, 10, 12, 14, 16]);
    expect(history.slice(0, 6)).toEqual(short.history);
    expect(log.slice(0, 6)).toEqual(short.log);
    expect(log.at(-1)).toMatchObject({ current_steps: 16, total_steps: 16, percentage: 100 });
    const again = await world.train('longer', { ...WHOLE, num_train_epochs: 4 }, ['--extend']);
    expect([again.status, again.err]).toEqual([2, expect.stringContaining('TRAIN_FINISHED')]);
  });

  test('whose results are in the way of a new one is not overwritten', async () => {
    cpSync(world.at('whole'), world.at('result'), { recursive: true });
    for (const name of checkpoints(world.at('result'))) rmSync(world.at('result', name), { recursive: true });
    const run = await world.train('result', WHOLE);
    expect([run.status, run.err]).toEqual([
      2,
      expect.stringMatching(/error TRAIN_OUTPUT_EXISTS: .*adapter_model\.safetensors/),
    ]);
  });
});

test.each(['full', 'freeze'])('%s tuning goes on to the same bits', async (kind) => {
  const change: Flags = {
    finetuning_type: kind,
    lora_target: null,
    lora_rank: null,
    freeze_trainable_layers: kind === 'freeze' ? 1 : null,
    learning_rate: 0.001,
    max_steps: 4,
    num_train_epochs: null,
    save_steps: 2,
  };
  ok(await world.train(`${kind}-whole`, change));
  const killed = await actAtStep(`${kind}-killed`, 3, 'SIGKILL', change);
  expect(killed.status).toBe(null);
  ok(await world.train(`${kind}-killed`, change));
  expect(essence(world.at(`${kind}-killed`))).toEqual(essence(world.at(`${kind}-whole`)));
});

test('two runs do not share an output folder', async () => {
  const first = start(['train', ...world.flags('shared', { ...WHOLE, num_train_epochs: 300 }), '--json']);
  await new Promise<void>((resolve) => {
    first.stdout?.on('data', (text) => {
      if (String(text).includes('"kind":"step"')) resolve();
    });
  });
  const second = await world.train('shared', { ...WHOLE, num_train_epochs: 300 });
  first.kill('SIGKILL');
  await ended(first);
  expect([second.status, second.err]).toEqual([
    3,
    expect.stringMatching(/error STORE_LOCKED: .*in use by process \d+/),
  ]);
});
