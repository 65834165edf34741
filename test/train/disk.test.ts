import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  checkpoints,
  ended,
  essence,
  eventsOf,
  type Flags,
  makeWorld,
  start,
  type World,
} from './tiny-world.ts';

const LONG: Flags = { max_steps: 8, num_train_epochs: null, save_steps: 2, lora_rank: 8, lora_target: 'all' };

let world: World;
let smallDisk: string | null = null;
beforeAll(() => {
  world = makeWorld();
  const dir = world.at('small-disk');
  mkdirSync(dir);
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', dir]);
  if (mounted.status === 0) smallDisk = dir;
});
afterAll(() => {
  if (smallDisk) spawnSync('umount', [smallDisk]);
  world.dispose();
});

test('a full disk is a clear error, and the run goes on when there is room', async (context) => {
  if (!smallDisk)
    return context.skip('a small disk can be made by the administrator of a Linux machine only');
  const output = `${smallDisk}/run`;
  const child = start(['train', ...world.flags('', { ...LONG, output_dir: output }), '--json']);
  // After the first checkpoint, all room but a little is taken.
  child.stdout?.on('data', (text) => {
    if (String(text).includes('"kind":"checkpoint","step":2') && !existsSync(`${smallDisk}/filler`)) fill();
  });
  const run = await ended(child);
  expect(run.status).toBe(3);
  const { error } = JSON.parse(run.err) as { error: Record<string, string> };
  expect(error).toMatchObject({ code: 'STORE_DISK_FULL', remedy: expect.stringMatching(/^Free disk space/) });
  const kept = checkpoints(output);
  expect(kept).toContain('checkpoint-2');
  expect(existsSync(`${output}/tunesmith.lock`)).toBe(false);

  rmSync(`${smallDisk}/filler`);
  const after = await world.train('', { ...LONG, output_dir: output, save_total_limit: 1 }, ['--json']);
  expect([after.status, after.err]).toEqual([0, '']);
  const going = eventsOf(after).find((e) => String(e.text).startsWith('going on from'));
  expect(going?.text).toContain(`${kept.at(-1)}:`);
  const whole = await world.train('whole', LONG);
  expect(whole.status).toBe(0);
  expect(essence(output)).toEqual(essence(world.at('whole')));
});

test('a disk without room for activations is a clear error', async (context) => {
  if (!smallDisk)
    return context.skip('a small disk can be made by the administrator of a Linux machine only');
  rmSync(`${smallDisk}/run`, { recursive: true, force: true });
  fill();
  const run = await world.train('spills', { ...LONG, residual_policy: 'spill', spill_dir: smallDisk }, [
    '--json',
  ]);
  expect(run.status).toBe(3);
  const { error } = JSON.parse(run.err) as { error: Record<string, string> };
  expect(error).toMatchObject({
    code: 'STORE_DISK_FULL',
    message: expect.stringContaining('could not write activations to'),
    remedy: expect.stringContaining('spill_dir'),
  });
});

/** Leaves a few kilobytes: room for a line of a log, none for a checkpoint. */
function fill(): void {
  const free = spawnSync('df', ['-B1', '--output=avail', smallDisk as string], { encoding: 'utf8' });
  const bytes = Number(free.stdout.trim().split('\n').at(-1));
  writeFileSync(`${smallDisk}/filler`, Buffer.alloc(Math.max(0, bytes - 32_768), 1));
}

test('a file in the way of the output folder is a clear error', async () => {
  writeFileSync(world.at('in-the-way'), 'mine');
  const run = await world.train('in-the-way', LONG);
  expect([run.status, run.out]).toEqual([3, '']);
  expect(run.err).toMatch(/error STORE_UNWRITABLE: .*in-the-way.*\n(.*\n)? {2}remedy: Set output_dir/);
});

test('a checkpoint folder that is a file is not taken for one', async () => {
  cpSync(world.at('in-the-way'), world.at('odd', 'checkpoint-2'), { recursive: true });
  const run = await world.train('odd', LONG);
  expect(run.status, run.err).not.toBe(4);
  if (run.status !== 0) expect(run.err).toMatch(/^(note: .*\n)*error [A-Z_]+: .*\n(.*\n)*? {2}remedy: /m);
});
