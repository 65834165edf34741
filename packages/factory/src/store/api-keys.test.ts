import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createKey, keyState, listKeys, openKeyRing, revokeKey, rotateKey } from './api-keys.ts';

let dir: string;
let path: string;
let nowMs: number;
const now = () => nowMs;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tunesmith-keys-'));
  path = join(dir, 'state', 'keys.json');
  nowMs = Date.parse('2026-01-01T00:00:00Z');
});
afterEach(() => rmSync(dir, { recursive: true }));

const wish = { name: 'shop', scopes: ['infer' as const], expiresMs: null };

test('a key is found by its text, and the file does not have it', async () => {
  const { key, record } = await createKey(path, wish, nowMs);
  expect(key).toMatch(/^ts-[\w-]{43}$/);
  expect(readFileSync(path, 'utf8')).not.toContain(key);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const ring = openKeyRing(path, [], now);
  expect(ring.find(key)).toEqual({ id: record.id, scopes: ['infer'] });
  expect(ring.find(`${key}x`)).toBeNull();
  expect(ring.find('')).toBeNull();
  expect(listKeys(path)).toEqual([record]);
  expect(record.prefix).toBe(key.slice(0, 9));
});

test('a ring sees keys that are made, revoked and expire while it is open', async () => {
  const ring = openKeyRing(path, [], now);
  expect(ring.activeCount()).toBe(0);
  const first = await createKey(path, wish, nowMs);
  const short = await createKey(path, { ...wish, expiresMs: nowMs + 60_000 }, nowMs);
  nowMs += 2000;
  expect(ring.find(first.key)).not.toBeNull();
  expect(ring.find(short.key)).not.toBeNull();
  await revokeKey(path, first.record.id, nowMs);
  nowMs += 2000;
  expect(ring.find(first.key)).toBeNull();
  nowMs += 60_000;
  expect(ring.find(short.key)).toBeNull();
  expect(listKeys(path).map((key) => keyState(key, nowMs))).toEqual(['revoked', 'expired']);
});

test('after a rotation the old key lasts for its grace and no longer', async () => {
  const old = await createKey(path, { ...wish, scopes: ['infer', 'admin'] }, nowMs);
  const made = await rotateKey(path, old.record.id, nowMs + 10_000, nowMs);
  expect(made.record).toMatchObject({ name: 'shop', scopes: ['infer', 'admin'] });
  const ring = openKeyRing(path, [], now);
  expect([ring.find(old.key), ring.find(made.key)].map((one) => one !== null)).toEqual([true, true]);
  nowMs += 10_000;
  expect([ring.find(old.key), ring.find(made.key)].map((one) => one !== null)).toEqual([false, true]);
  await expect(rotateKey(path, old.record.id, nowMs, nowMs)).rejects.toMatchObject({ code: 'SERVE_KEYS' });
});

test('keys that are made at the same time are all there', async () => {
  const made = await Promise.all(
    Array.from({ length: 8 }, (_, at) => createKey(path, { ...wish, name: `k${at}` }, nowMs)),
  );
  const ring = openKeyRing(path, [{ id: 'environment', key: 'plain', scopes: ['metrics'] }], now);
  expect(made.every(({ key }) => ring.find(key) !== null)).toBe(true);
  expect(ring.find('plain')).toEqual({ id: 'environment', scopes: ['metrics'] });
  expect(ring.activeCount()).toBe(9);
});

test('a file that is something else is refused', async () => {
  await createKey(path, wish, nowMs);
  writeFileSync(path, '{"version": 1, "keys": "all"}');
  expect(() => openKeyRing(path, [], now)).toThrow(expect.objectContaining({ code: 'SERVE_KEYS' }));
  await expect(revokeKey(path, 'key_1', nowMs)).rejects.toMatchObject({ code: 'SERVE_KEYS' });
  expect(readFileSync(path, 'utf8')).toContain('"all"');
});
