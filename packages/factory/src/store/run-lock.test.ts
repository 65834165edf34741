import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { acquireRunLock, LOCK_FILE } from './run-lock.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tunesmith-lock-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});
const now = () => Date.now();
const locked = expect.objectContaining({
  code: 'STORE_LOCKED',
  remedy: expect.stringContaining('output_dir'),
});
const lockFile = () => join(dir, LOCK_FILE);
const write = (holder: object) => writeFileSync(lockFile(), JSON.stringify(holder));

test('one holder at a time; free again after release', () => {
  const lock = acquireRunLock(join(dir, 'new'), now);
  expect(() => acquireRunLock(join(dir, 'new'), now)).toThrow(locked);
  lock.touch();
  lock.release();
  lock.release();
  expect(readdirSync(join(dir, 'new'))).toEqual([]);
  acquireRunLock(join(dir, 'new'), now).release();
});

test('release leaves a lock that another process has taken meanwhile', () => {
  const lock = acquireRunLock(dir, now);
  write({ pid: 1, host: 'elsewhere', processStart: null, bootId: null });
  lock.release();
  expect(existsSync(lockFile())).toBe(true);
});

test('the lock of a living process holds, that of a killed one is taken over', async () => {
  const source = `
    import { acquireRunLock } from ${JSON.stringify(new URL('./run-lock.ts', import.meta.url).href)};
    acquireRunLock(${JSON.stringify(dir)}, () => Date.now());
    process.stdout.write('held');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  expect(() => acquireRunLock(dir, now)).toThrow(locked);
  child.kill('SIGKILL');
  await once(child, 'exit');
  const lock = acquireRunLock(dir, now);
  expect(JSON.parse(readFileSync(lockFile(), 'utf8')).pid).toBe(process.pid);
  lock.release();
  expect(readdirSync(dir)).toEqual([]);
});

test.runIf(existsSync('/proc/self/stat'))(
  'a reused process id or an earlier boot does not hold the lock',
  () => {
    write({ pid: process.ppid, host: hostname(), processStart: '1', bootId: null });
    acquireRunLock(dir, now).release();
    write({ pid: process.ppid, host: hostname(), processStart: null, bootId: 'another boot' });
    acquireRunLock(dir, now).release();
  },
);

test('a holder on another host counts as gone only after ten silent minutes', () => {
  write({ pid: 1, host: 'elsewhere', processStart: null, bootId: null });
  expect(() => acquireRunLock(dir, now)).toThrow(locked);
  const seconds = Date.now() / 1000 - 601;
  utimesSync(lockFile(), seconds, seconds);
  acquireRunLock(dir, now).release();
});

test('an unreadable lock file refuses, a file in place of the folder is STORE_UNWRITABLE', () => {
  for (const text of ['', '{', 'null', '{"pid":-1,"host":"x"}', '\0\0']) {
    writeFileSync(lockFile(), text);
    expect(() => acquireRunLock(dir, now)).toThrow(locked);
  }
  expect(() => acquireRunLock(lockFile(), now)).toThrow(
    expect.objectContaining({ code: 'STORE_UNWRITABLE' }),
  );
});
