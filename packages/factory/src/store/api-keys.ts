// In: the file of API keys, and what is to be done with it. Out: keys made, listed, replaced and revoked, and a ring that finds
// the holder of a key. A key is shown once; the file has its HMAC-SHA-256 under a random key of the file. Keys have 256 random
// bits, so a slow hash would protect nothing more.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { chmod, mkdir, open, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { z } from 'zod';
import { FactoryError } from '#factory/errors.ts';
import { writeAtomic } from './atomic-file.ts';
import { diskError, errnoOf } from './disk-error.ts';
import { readError } from './read-error.ts';

export const KEY_SCOPES = ['infer', 'admin', 'metrics'] as const;
export type KeyScope = (typeof KEY_SCOPES)[number];

export interface ApiKey {
  id: string;
  name: string;
  /** The first characters of the key, so that its owner can tell which it is. */
  prefix: string;
  scopes: KeyScope[];
  /** ISO 8601, UTC. */
  created_at: string;
  expires_at: string | null;
  revoked_at: string | null;
}

export interface MadeKey {
  record: ApiKey;
  /** The key itself; it cannot be shown again. */
  key: string;
}

const FILE = z.object({
  version: z.literal(1),
  /** Hex, of the HMAC. */
  hash_key: z.string().regex(/^[0-9a-f]{64}$/),
  keys: z.array(
    z.object({
      id: z.string().regex(/^key_\w{1,40}$/),
      name: z.string(),
      prefix: z.string(),
      scopes: z.array(z.enum(KEY_SCOPES)),
      created_at: z.iso.datetime(),
      expires_at: z.iso.datetime().nullable(),
      revoked_at: z.iso.datetime().nullable(),
      sum: z.string().regex(/^[0-9a-f]{64}$/),
    }),
  ),
});
type KeyFile = z.infer<typeof FILE>;

const PREFIX_LENGTH = 9;
/** Another process changes the file in much less time. */
const LOCK_WAIT_MS = 5000;

/** `nowMs` is milliseconds since 1970. */
export async function createKey(
  path: string,
  wish: { name: string; scopes: KeyScope[]; expiresMs: number | null },
  nowMs: number,
): Promise<MadeKey> {
  return change(path, nowMs, (file) => {
    const { key, entry } = makeEntry(file, wish, nowMs);
    file.keys.push(entry);
    return { key, record: withoutSum(entry) };
  });
}

export function listKeys(path: string): ApiKey[] {
  return (readFile(path)?.keys ?? []).map(withoutSum);
}

/** A new key with the name and scopes of an old one, which ends at `oldEndsMs`. */
export async function rotateKey(
  path: string,
  id: string,
  oldEndsMs: number,
  nowMs: number,
): Promise<MadeKey> {
  return change(path, nowMs, (file) => {
    const old = findKey(file, id, path, nowMs);
    const expiresMs = old.expires_at === null ? null : Date.parse(old.expires_at);
    const { key, entry } = makeEntry(file, { ...old, expiresMs }, nowMs);
    if (expiresMs === null || expiresMs > oldEndsMs) old.expires_at = new Date(oldEndsMs).toISOString();
    file.keys.push(entry);
    return { key, record: withoutSum(entry) };
  });
}

export async function revokeKey(path: string, id: string, nowMs: number): Promise<ApiKey> {
  return change(path, nowMs, (file) => {
    const found = findKey(file, id, path, nowMs);
    found.revoked_at = new Date(nowMs).toISOString();
    return withoutSum(found);
  });
}

export function keyState(key: ApiKey, nowMs: number): 'active' | 'expired' | 'revoked' {
  if (key.revoked_at !== null) return 'revoked';
  return key.expires_at !== null && Date.parse(key.expires_at) <= nowMs ? 'expired' : 'active';
}

export interface KeyHolder {
  id: string;
  scopes: readonly KeyScope[];
}

export interface KeyRing {
  /** Null where no active key is that text. Takes as long for any text. */
  find(text: string): KeyHolder | null;
  /** Keys that could be used now. */
  activeCount(): number;
}

/** Keys in plain text, from a secret file or the environment. */
export interface PlainKey {
  id: string;
  key: string;
  scopes: readonly KeyScope[];
}

/** How long a change of the file, such as a revocation, may go unnoticed. */
const LOOK_AGAIN_MS = 1000;

/** `path` may be null or not be there yet. `now` gives milliseconds since 1970. */
export function openKeyRing(path: string | null, plain: readonly PlainKey[], now: () => number): KeyRing {
  const hashKey = randomBytes(32);
  const plainKeys = plain.map(({ id, key, scopes }) => ({ holder: { id, scopes }, sum: hmac(hashKey, key) }));
  let lookedAt = Number.NEGATIVE_INFINITY;
  let stamp = '';
  let file: KeyFile | null = null;
  const look = () => {
    if (path === null || now() - lookedAt < LOOK_AGAIN_MS) return;
    lookedAt = now();
    const found = stampOf(path);
    if (found === stamp) return;
    file = readFile(path);
    stamp = found;
  };
  look();
  const active = () => (file?.keys ?? []).filter((key) => keyState(key, now()) === 'active');
  return {
    find(text) {
      look();
      const fileSum = hmac(Buffer.from(file?.hash_key ?? '', 'hex'), text);
      const plainSum = hmac(hashKey, text);
      let holder: KeyHolder | null = null;
      for (const key of active())
        if (timingSafeEqual(Buffer.from(key.sum, 'hex'), fileSum))
          holder = { id: key.id, scopes: key.scopes };
      for (const key of plainKeys) if (timingSafeEqual(key.sum, plainSum)) holder = key.holder;
      return holder;
    },
    activeCount: () => {
      look();
      return active().length + plainKeys.length;
    },
  };
}

function stampOf(path: string): string {
  try {
    const { mtimeMs, size, ino } = statSync(path);
    return `${mtimeMs} ${size} ${ino}`;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return '';
    throw readError(error, path, 'SERVE_KEYS');
  }
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

function makeEntry(
  file: KeyFile,
  { name, scopes, expiresMs }: { name: string; scopes: KeyScope[]; expiresMs: number | null },
  nowMs: number,
) {
  const key = `ts-${randomBytes(32).toString('base64url')}`;
  const entry = {
    id: `key_${randomBytes(6).toString('hex')}`,
    name,
    prefix: key.slice(0, PREFIX_LENGTH),
    scopes: [...scopes],
    created_at: new Date(nowMs).toISOString(),
    expires_at: expiresMs === null ? null : new Date(expiresMs).toISOString(),
    revoked_at: null,
    sum: hmac(Buffer.from(file.hash_key, 'hex'), key).toString('hex'),
  };
  return { key, entry };
}

function withoutSum({ sum: _, ...key }: KeyFile['keys'][number]): ApiKey {
  return key;
}

function findKey(file: KeyFile, id: string, path: string, nowMs: number): KeyFile['keys'][number] {
  const found = file.keys.find((key) => key.id === id);
  const state = found && keyState(found, nowMs);
  if (found !== undefined && state === 'active') return found;
  throw new FactoryError({
    code: 'SERVE_KEYS',
    message: `${path}: expected the id of an active key, found ${JSON.stringify(id)}${state ? `, which is ${state}` : ''}`,
    remedy: 'Run "tunesmith keys list" for the ids.',
  });
}

/** Null where there is no file. */
function readFile(path: string): KeyFile | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw readError(error, path, 'SERVE_KEYS');
  }
  try {
    return FILE.parse(JSON.parse(text));
  } catch (cause) {
    throw new FactoryError({
      code: 'SERVE_KEYS',
      message: `${path}: expected a file of keys as "tunesmith keys create" writes it, found ${(cause as Error).message.replace(/\s+/g, ' ').slice(0, 200)}`,
      remedy: 'Restore the file from a backup, or delete it and make new keys.',
      cause,
    });
  }
}

/** Reads, changes and writes under a lock that only changes of keys take. Nobody else may read the file. */
async function change<T>(path: string, nowMs: number, work: (file: KeyFile) => T): Promise<T> {
  const lock = `${path}.lock`;
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    for (let waited = 0; !(await place(lock)); waited += 20) {
      // A lock of a process that was killed.
      if (waited >= LOCK_WAIT_MS) {
        const held = await stat(lock).catch(() => null);
        if (held !== null && nowMs + waited - held.mtimeMs < LOCK_WAIT_MS)
          throw new FactoryError({
            code: 'STORE_LOCKED',
            message: `expected ${path} to be free, found it held by another process (${lock})`,
            remedy: `Try again, or delete ${lock} if no other command is changing keys.`,
          });
        await rm(lock, { force: true });
      }
      await wait(20);
    }
  } catch (error) {
    throw diskError(error, 'lock', path);
  }
  try {
    const file = readFile(path) ?? { version: 1, hash_key: randomBytes(32).toString('hex'), keys: [] };
    const result = work(file);
    await writeAtomic(path, `${JSON.stringify(file, null, 2)}\n`);
    await chmod(path, 0o600);
    return result;
  } finally {
    await rm(lock, { force: true });
  }
}

async function place(lock: string): Promise<boolean> {
  try {
    await (await open(lock, 'wx')).close();
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
}
