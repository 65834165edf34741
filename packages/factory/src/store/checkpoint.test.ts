import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  discardCheckpointsAfter,
  listCheckpoints,
  MANIFEST_FILE,
  newestGoodCheckpoint,
  readCheckpoint,
  recoverCheckpoints,
  verifyCheckpoint,
  writeCheckpoint,
} from './checkpoint.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tunesmith-checkpoint-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

const ALL = { limit: null };
const files = (step: number) => ({
  'trainer_state.json': `{"global_step": ${step}}`,
  'adapter_model.safetensors': new Float32Array(64).fill(step),
  'rng/state.bin': [new Uint8Array([step]), new Uint8Array([1, 2])],
});
const steps = async () => (await listCheckpoints(dir)).map(({ step }) => step);

test('what is written is what is read, with a manifest over every file', async () => {
  const ref = await writeCheckpoint(dir, 10, files(10), ALL);
  expect(ref).toEqual({ dir: join(dir, 'checkpoint-10'), step: 10 });
  const read = await readCheckpoint(ref.dir);
  expect(read.step).toBe(10);
  expect([...read.files.keys()]).toEqual([
    'adapter_model.safetensors',
    'rng/state.bin',
    'trainer_state.json',
  ]);
  expect([...read.files.get('rng/state.bin')!]).toEqual([10, 1, 2]);
  expect(read.files.get('adapter_model.safetensors')!.length).toBe(256);
  expect(readdirSync(dir)).toEqual(['checkpoint-10']);
});

test('a step written again replaces the folder', async () => {
  await writeCheckpoint(dir, 5, { a: 'old', b: 'gone' }, ALL);
  await writeCheckpoint(dir, 5, { a: 'new' }, ALL);
  expect(readdirSync(join(dir, 'checkpoint-5')).sort()).toEqual(['a', MANIFEST_FILE]);
  expect((await verifyCheckpoint(join(dir, 'checkpoint-5'))).ok).toBe(true);
});

describe('rotation', () => {
  test('keeps the newest, in the order of steps, not of names', async () => {
    for (const step of [8, 9, 10, 11]) await writeCheckpoint(dir, step, files(step), { limit: 2 });
    expect(await steps()).toEqual([10, 11]);
  });

  test('never deletes the best or the newest, whatever the limit', async () => {
    for (const step of [1, 2, 3, 4]) await writeCheckpoint(dir, step, files(step), { limit: 1, bestStep: 2 });
    expect(await steps()).toEqual([2, 4]);
  });

  test('law: the newest and the best survive, and others only within the limit', async () => {
    const law = fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 8 }),
      async (limit, best) => {
        rmSync(dir, { recursive: true, force: true });
        for (let step = 1; step <= 8; step++) {
          await writeCheckpoint(dir, step, { a: 'x' }, { limit, bestStep: step >= best ? best : null });
          const left = await steps();
          expect(left).toContain(step);
          if (step >= best) expect(left).toContain(best);
          const keepsBoth = step > best ? 2 : 1;
          expect(left.length).toBe(Math.min(step, Math.max(limit, keepsBoth)));
        }
      },
    );
    await fc.assert(law, { numRuns: 12, endOnFailure: true });
  });
});

describe('damage', () => {
  test('any flipped byte, and any truncation, of any file is found, and the checkpoint before it is used', async () => {
    await writeCheckpoint(dir, 1, files(1), ALL);
    const { dir: newest } = await writeCheckpoint(dir, 2, files(2), ALL);
    for (const name of [...Object.keys(files(2)), MANIFEST_FILE]) {
      const path = join(newest, name);
      const bytes = readFileSync(path);
      for (const at of [0, bytes.length >> 1, bytes.length - 2]) {
        const damaged = Uint8Array.from(bytes);
        damaged[at] ^= 0x10;
        writeFileSync(path, damaged);
        const found = await newestGoodCheckpoint(dir);
        expect(found.step, `${name} byte ${at}`).toBe(1);
        expect(found.rejected).toEqual([{ dir: newest, reason: expect.stringContaining(basename(name)) }]);
      }
      for (const length of [0, bytes.length - 3]) {
        writeFileSync(path, bytes);
        truncateSync(path, length);
        expect((await newestGoodCheckpoint(dir)).step, `${name} cut to ${length}`).toBe(1);
      }
      rmSync(path);
      expect((await newestGoodCheckpoint(dir)).step, `${name} deleted`).toBe(1);
      writeFileSync(path, bytes);
      expect((await newestGoodCheckpoint(dir)).step).toBe(2);
    }
  });

  test('a manifest of any content is refused, never a crash', async () => {
    const { dir: folder } = await writeCheckpoint(dir, 1, { a: 'x' }, ALL);
    const hostile = fc.oneof(
      fc.json(),
      fc.string(),
      fc
        .record({ format: fc.constant(1), step: fc.jsonValue(), files: fc.jsonValue() })
        .map((v) => JSON.stringify(v)),
      fc.constant('{"format":1,"step":1,"files":{"../../etc/passwd":{"bytes":1,"sha256":""}}}'),
    );
    const law = fc.asyncProperty(hostile, async (text) => {
      writeFileSync(join(folder, MANIFEST_FILE), text);
      const verdict = await verifyCheckpoint(folder);
      expect(verdict.ok).toBe(false);
    });
    await fc.assert(law, { numRuns: 200 });
  });

  test('none at all: a null folder; reading a missing or damaged one is a typed error', async () => {
    expect(await newestGoodCheckpoint(join(dir, 'absent'))).toEqual({ dir: null, step: 0, rejected: [] });
    await expect(readCheckpoint(join(dir, 'checkpoint-9'))).rejects.toMatchObject({
      code: 'STORE_NO_CHECKPOINT',
    });
    const { dir: folder } = await writeCheckpoint(dir, 9, { a: 'abc' }, ALL);
    writeFileSync(join(folder, 'a'), 'abd');
    await expect(readCheckpoint(folder)).rejects.toMatchObject({
      code: 'STORE_CHECKPOINT_DAMAGED',
      message: expect.stringContaining('SHA-256'),
      remedy: expect.stringContaining('resume_from_checkpoint'),
    });
  });

  test("a Python trainer's checkpoint is named as such", async () => {
    const folder = join(dir, 'checkpoint-500');
    mkdirSync(folder);
    for (const name of ['adapter_model.safetensors', 'optimizer.pt', 'trainer_state.json']) {
      writeFileSync(join(folder, name), 'x');
    }
    const { dir: found, rejected } = await newestGoodCheckpoint(dir);
    expect(found).toBeNull();
    expect(rejected[0].reason).toMatch(/LLaMA-Factory or transformers.*optimizer\.pt.*adapter_name_or_path/);
  });
});

test('files and other names are not checkpoints', async () => {
  for (const name of ['checkpoint-x', 'checkpoint-1.tmp-1-1', 'checkpoint-', 'my-checkpoint-1'])
    mkdirSync(join(dir, name));
  writeFileSync(join(dir, 'checkpoint-7'), 'a file');
  expect(await listCheckpoints(dir)).toEqual([]);
});

test('discardCheckpointsAfter removes the future only', async () => {
  for (const step of [1, 2, 3]) await writeCheckpoint(dir, step, files(step), ALL);
  expect(await discardCheckpointsAfter(dir, 1)).toEqual([
    join(dir, 'checkpoint-2'),
    join(dir, 'checkpoint-3'),
  ]);
  expect(readdirSync(dir)).toEqual(['checkpoint-1']);
});

test('recoverCheckpoints puts a complete temporary folder in place and deletes the others', async () => {
  const { dir: folder } = await writeCheckpoint(dir, 4, files(4), ALL);
  const { renameSync, cpSync } = await import('node:fs');
  renameSync(folder, `${folder}.tmp-77-0`);
  cpSync(`${folder}.tmp-77-0`, join(dir, 'checkpoint-6.tmp-77-1'), { recursive: true });
  rmSync(join(dir, 'checkpoint-6.tmp-77-1', MANIFEST_FILE));
  cpSync(`${folder}.tmp-77-0`, join(dir, 'deleted-checkpoint-2.tmp-77-2'), { recursive: true });
  await recoverCheckpoints(dir);
  expect(readdirSync(dir)).toEqual(['checkpoint-4']);
  expect((await verifyCheckpoint(folder)).ok).toBe(true);
});

test('a file in the way is STORE_UNWRITABLE and leaves nothing behind', async () => {
  writeFileSync(join(dir, 'out'), '');
  await expect(writeCheckpoint(join(dir, 'out'), 1, { a: 'x' }, ALL)).rejects.toMatchObject({
    code: 'STORE_UNWRITABLE',
  });
  expect(readdirSync(dir)).toEqual(['out']);
});

test('a full disk is STORE_DISK_FULL; the checkpoint before it stays good', async (context) => {
  const { execFileSync } = await import('node:child_process');
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'tmpfs', dir], { stdio: 'ignore' });
  } catch {
    return context.skip('a small file system can only be mounted by root');
  }
  try {
    await writeCheckpoint(dir, 1, files(1), ALL);
    const large = { ...files(2), 'optimizer.safetensors': new Uint8Array(1 << 20) };
    await expect(writeCheckpoint(dir, 2, large, { limit: 1 })).rejects.toMatchObject({
      code: 'STORE_DISK_FULL',
    });
    expect(readdirSync(dir)).toEqual(['checkpoint-1']);
    expect(await newestGoodCheckpoint(dir)).toMatchObject({ step: 1, rejected: [] });
  } finally {
    execFileSync('umount', [dir]);
  }
});

test('a process killed at any instant leaves a good checkpoint, no older than the last one it reported', async () => {
  const source = `
    import { writeSync } from 'node:fs';
    import { newestGoodCheckpoint, recoverCheckpoints, writeCheckpoint } from ${JSON.stringify(new URL('./checkpoint.ts', import.meta.url).href)};
    const dir = ${JSON.stringify(dir)};
    await recoverCheckpoints(dir);
    let { step } = await newestGoodCheckpoint(dir);
    // The last step is written again, as a resumed run does, so replacing is killed too.
    for (step = Math.max(1, step); ; step++) {
      const state = new Float32Array(20_000).fill(step);
      await writeCheckpoint(dir, step, { 'a.bin': state, 'b/c.bin': [state, state], 'd.json': '{}' }, { limit: 2, bestStep: 3 });
      writeSync(1, step + ' ');
    }`;
  let best = 0;
  let kills = 0;
  // The first pauses are spread over start-up and first writes, the others over the loop.
  for (let round = 0; round < 14; round++) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let reported = '';
    child.stdout.on('data', (data) => {
      reported += data;
    });
    if (round % 8 !== 0) await once(child.stdout, 'data');
    await new Promise((resolve) => setTimeout(resolve, ((round * 37) % 101) + (round * 7) / 14));
    child.kill('SIGKILL');
    await once(child, 'close');
    kills++;
    const last = Number(reported.trim().split(' ').at(-1) || 0);
    await recoverCheckpoints(dir);
    const found = await newestGoodCheckpoint(dir);
    best = Math.max(best, last);
    expect(found.step).toBeGreaterThanOrEqual(best);
    expect(found.rejected).toEqual([]);
    for (const { dir: folder } of await listCheckpoints(dir))
      expect((await verifyCheckpoint(folder)).ok).toBe(true);
    if (found.step > 3) expect(existsSync(join(dir, 'checkpoint-3'))).toBe(true);
    expect(readdirSync(dir).filter((name) => name.includes('.tmp-'))).toEqual([]);
  }
  expect(kills).toBe(14);
  expect(best).toBeGreaterThan(10);
});
