// The log of inferences on real files: with two processes, with one that is killed, without room, and with a lock held.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openInferenceSink } from '../../packages/factory/src/pipeline/open-inference-log.ts';
import type { InferenceSink, StoredInference } from '../../packages/factory/src/records/inference.ts';
import { openInferenceLog } from '../../packages/factory/src/store/inference-log.ts';
import {
  type InferenceFilter,
  openInferenceReader,
} from '../../packages/factory/src/store/inference-reader.ts';
import { logEntry } from './log-entry.ts';

const WRITER = fileURLToPath(new URL('./log-writer.ts', import.meta.url));
const WORKER = new URL('../../packages/factory/src/pipeline/inference-log-worker.ts', import.meta.url);

let dir: string;
let smallDisk: string | null = null;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'tunesmith-log-'));
  const mount = join(dir, 'small-disk');
  mkdirSync(mount);
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'tmpfs', mount]).status === 0) smallDisk = mount;
});
afterAll(() => {
  if (smallDisk) spawnSync('umount', [smallDisk]);
  rmSync(dir, { recursive: true, force: true });
});

const anything: InferenceFilter = {
  sinceMs: null,
  untilMs: null,
  model: null,
  variant: null,
  keyId: null,
  finish: null,
  failed: null,
  withTexts: false,
};

async function rowsOf(path: string, filter: Partial<InferenceFilter> = {}) {
  const reader = openInferenceReader(path);
  try {
    const rows: StoredInference[] = [];
    for await (const row of reader.each({ ...anything, ...filter })) rows.push(row);
    return rows;
  } finally {
    await reader.close();
  }
}

function isSound(path: string): void {
  const raw = new DatabaseSync(path);
  expect(raw.prepare('pragma integrity_check').get()).toEqual({ integrity_check: 'ok' });
  raw.close();
}

const open = (path: string, level: 'meta' | 'full' = 'meta', change: object = {}) => {
  const notes: string[] = [];
  const sink = openInferenceLog({
    path,
    level,
    worker: WORKER,
    retentionDays: null,
    redact: true,
    note: (text) => notes.push(text),
    ...change,
  });
  return { sink, notes };
};

const start = (path: string, first: number, count: number): ChildProcess =>
  spawn(process.execPath, [WRITER, path, String(first), String(count)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
const ended = (child: ChildProcess) => new Promise((resolve) => child.once('close', resolve));
const ready = (child: ChildProcess) =>
  new Promise<void>((resolve) => {
    child.stdout!.on('data', (text) => {
      if (String(text).includes('ready')) resolve();
    });
  });

describe('what is kept', () => {
  test('facts, without texts unless they are asked for', async () => {
    const path = join(dir, 'meta.sqlite');
    const { sink } = open(path);
    const texts = { messages: [{ role: 'user', content: 'secret' }], tools: [], answers: [] };
    for (let n = 0; n < 250; n++) sink.record(logEntry(n, { texts, session: 's', user: `u${n % 2}` }));
    await sink.close();
    const rows = await rowsOf(path);
    expect(rows.map(({ requestId }) => requestId)).toEqual(Array.from({ length: 250 }, (_, n) => `req_${n}`));
    const { timeMs: _, session: __, user: ___, ...facts } = logEntry(7);
    expect(rows[7]).toMatchObject({ ...facts, texts: null, redacted: null });
    // Hashes tell the same from others, and are not the names.
    expect(new Set(rows.map(({ sessionHash }) => sessionHash)).size).toBe(1);
    expect(new Set(rows.map(({ userHash }) => userHash)).size).toBe(2);
    expect(rows[0]!.sessionHash).toMatch(/^[\w-]{22}$/);
    expect([sink.dropped(), spawnSync('grep', ['-c', 'secret', path]).status]).toEqual([0, 1]);
  });

  test('texts with personal data replaced, the same by the same', async () => {
    const path = join(dir, 'full.sqlite');
    const { sink } = open(path, 'full');
    const messages = [
      { role: 'user', content: 'Write to jane.doe@corp.io, 13912345678, not jane.doe@corp.io.' },
    ];
    sink.record(
      logEntry(1, {
        texts: { messages, tools: [], answers: [{ role: 'assistant', content: 'Done: jane.doe@corp.io' }] },
      }),
    );
    sink.record(logEntry(2));
    await sink.close();
    const [first, second] = await rowsOf(path);
    const [{ content }] = first!.texts!.messages as [{ content: string }];
    expect(content).not.toMatch(/jane|139123/);
    const [a, b] = [...content.matchAll(/\S+@example\.com/g)].map(([mail]) => mail.replace(/\.$/, ''));
    expect(a).toBe(b);
    expect(first!.texts!.answers).toEqual([{ role: 'assistant', content: `Done: ${a}` }]);
    expect([first!.redacted, second!.texts, second!.redacted]).toEqual([4, null, null]);
  });

  test('by time, model, error and text', async () => {
    const path = join(dir, 'filter.sqlite');
    const { sink } = open(path, 'full');
    const texts = { messages: [], tools: [], answers: [] };
    for (let n = 0; n < 1200; n++)
      sink.record(
        logEntry(n, {
          model: n % 2 ? 'a' : 'b',
          errorCode: n % 3 ? null : 'SERVE_BUSY',
          texts: n % 5 ? null : texts,
        }),
      );
    await sink.close();
    const count = async (filter: Partial<InferenceFilter>) => (await rowsOf(path, filter)).length;
    expect(await count({})).toBe(1200);
    expect(await count({ model: 'a' })).toBe(600);
    expect(await count({ failed: true })).toBe(400);
    expect(await count({ failed: false, withTexts: true })).toBe(160);
    const from = logEntry(100).timeMs;
    expect(await count({ sinceMs: from, untilMs: from + 50 })).toBe(50);
    const reader = openInferenceReader(path);
    expect((await reader.newest(anything, 2)).map(({ requestId }) => requestId)).toEqual([
      'req_1199',
      'req_1198',
    ]);
    expect((await reader.find('req_5')).map(({ completionTokens }) => completionTokens)).toEqual([5]);
    expect((await reader.find('6')).map(({ requestId }) => requestId)).toEqual(['req_5']);
    await reader.close();
  });

  test('not longer than asked for', async () => {
    const path = join(dir, 'old.sqlite');
    const day = 86_400_000;
    const { sink } = open(path, 'full', { retentionDays: 7 });
    const now = logEntry(0).timeMs;
    const texts = { messages: [], tools: [], answers: [] };
    for (let age = 20; age >= 0; age--)
      sink.record(logEntry(0, { timeMs: now - age * day, requestId: `${age}`, texts }));
    await sink.close();
    expect((await rowsOf(path)).map(({ requestId }) => requestId)).toEqual([
      '7',
      '6',
      '5',
      '4',
      '3',
      '2',
      '1',
      '0',
    ]);
    const raw = new DatabaseSync(path);
    expect(raw.prepare('select count(*) as n from inference_texts').get()).toEqual({ n: 8 });
    raw.close();
  });

  test('nothing where the log is off', async () => {
    const path = join(dir, 'off.sqlite');
    const sink = openInferenceSink({ path, level: 'off', retentionDays: null, redact: true }, () => {});
    sink.record(logEntry(1));
    await sink.close();
    expect(() => openInferenceReader(path)).toThrow(expect.objectContaining({ code: 'DATA_NOT_FOUND' }));
  });
});

describe('what goes wrong', () => {
  test('two processes write one file', async () => {
    const path = join(dir, 'two.sqlite');
    const children = [start(path, 0, 1000), start(path, 1000, 1000)];
    await Promise.all(children.map(ended));
    const numbers = (await rowsOf(path)).map(({ completionTokens }) => completionTokens as number);
    expect(numbers.sort((a, b) => a - b)).toEqual(Array.from({ length: 2000 }, (_, n) => n));
  });

  test('a process that is killed leaves whole batches, and the next one goes on', async () => {
    const path = join(dir, 'killed.sqlite');
    const child = start(path, 0, 1_000_000);
    await ready(child);
    child.kill('SIGKILL');
    await ended(child);
    const before = (await rowsOf(path)).length;
    expect(before).toBeGreaterThanOrEqual(200);
    const { sink } = open(path);
    sink.record(logEntry(7));
    await sink.close();
    isSound(path);
    expect((await rowsOf(path)).length).toBe(before + 1);
  });

  test('a lock is waited for, said once, and what does not fit is counted', async () => {
    const path = join(dir, 'locked.sqlite');
    const first = open(path);
    first.sink.record(logEntry(0));
    await first.sink.close();
    const holder = new DatabaseSync(path);
    holder.exec('begin exclusive');
    const { sink, notes } = open(path, 'meta', { busyMs: 20, maxEntries: 30 });
    for (let n = 1; n <= 40; n++) sink.record(logEntry(n));
    expect(sink.dropped()).toBe(10);
    while (notes.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    holder.exec('rollback');
    holder.close();
    await sink.close();
    expect((await rowsOf(path)).length).toBe(31);
    expect(sink.dropped()).toBe(10);
    expect(notes).toHaveLength(2);
    expect(notes[1]).toContain('10 entries are lost');
  });

  test('a full disk loses entries and says so, and nothing else', async (context) => {
    if (!smallDisk)
      return context.skip('a small disk can be made by the administrator of a Linux machine only');
    const path = join(smallDisk, 'log.sqlite');
    const { sink, notes } = open(path, 'full', { maxEntries: 400 });
    const texts = { messages: ['x'.repeat(4000)], tools: [], answers: [] };
    for (let n = 0; n < 300; n++) sink.record(logEntry(n, { texts }));
    await sink.close();
    expect(notes[0]).toMatch(/full|disk/);
    expect(notes).toHaveLength(1);
    const rows = await rowsOf(path);
    expect(rows.length + sink.dropped()).toBe(300);
    expect(sink.dropped()).toBeGreaterThan(0);
    isSound(path);
  });

  test('a folder that cannot be written to, a file that is no database, and one of a newer program', async () => {
    const wrongs: [string, (path: string) => void, RegExp][] = [
      ['folder', (path) => mkdirSync(path), /cannot be written/],
      [
        'text',
        (path) => writeFileSync(path, 'no database at all, but long enough to be looked at'.repeat(20)),
        /damaged or no database/,
      ],
      [
        'newer',
        (path) => {
          const raw = new DatabaseSync(path);
          raw.exec('pragma user_version = 99');
          raw.close();
        },
        /expected tables of version 1, found version 99.*Update tunesmith/,
      ],
    ];
    for (const [name, make, what] of wrongs) {
      const path = join(dir, `${name}.sqlite`);
      make(path);
      const { sink, notes } = open(path);
      const two: InferenceSink = sink;
      two.record(logEntry(1));
      two.record(logEntry(2));
      await two.close();
      expect([notes.length, two.dropped()]).toEqual([1, 2]);
      expect(notes[0]).toMatch(what);
    }
  });
});
