// In: an output folder. Out: the right to write there, held by one process at a time, given back by `release`.
// A lock outlives its process when that is killed; it is then recognised as stale and taken over.
import {
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { FactoryError } from '#factory/errors.ts';
import { temporaryName } from './atomic-file.ts';
import { diskError, errnoOf } from './disk-error.ts';

export const LOCK_FILE = 'tunesmith.lock';

export interface RunLock {
  readonly path: string;
  /** Tells processes on other hosts that this one is alive; called at every log or checkpoint. */
  touch(): void;
  /** Deletes the lock file if it is still ours. Safe to call twice. */
  release(): void;
}

interface Holder {
  pid: number;
  host: string;
  /** When the process started, in the system's own unit; tells a reused pid apart. Null where unknown. */
  processStart: string | null;
  /** Changes at every reboot. Null where unknown. */
  bootId: string | null;
}

/** A holder on another host (or container) cannot be asked; it counts as gone after this silence. */
const SILENCE_MS = 10 * 60_000;

/** Takes the lock of `outputDir`, creating the folder if need be. Throws STORE_LOCKED while another process has it. */
export function acquireRunLock(outputDir: string, now: () => number): RunLock {
  const path = join(outputDir, LOCK_FILE);
  const text = `${JSON.stringify(describeSelf())}\n`;
  try {
    mkdirSync(outputDir, { recursive: true });
    for (let attempt = 0; !place(path, text); attempt++) {
      const found = readLock(path);
      if (found === null) continue;
      if (attempt >= 20 || !isStale(found, now())) throw lockedError(outputDir, path, found.holder);
      removeStale(path, found.text);
    }
  } catch (error) {
    throw diskError(error, 'lock', outputDir);
  }
  return {
    path,
    touch() {
      const seconds = now() / 1000;
      try {
        utimesSync(path, seconds, seconds);
      } catch {
        // The folder may be gone or read-only by now; the next real write says so with a better message.
      }
    },
    release() {
      try {
        if (readLock(path)?.text === text) rmSync(path, { force: true });
      } catch {
        // A lock that cannot be deleted is stale as soon as this process ends.
      }
    },
  };
}

/** Creates the lock with its content in one step; false when one exists. */
function place(path: string, text: string): boolean {
  const temporary = temporaryName(path);
  try {
    writeFileSync(temporary, text, { flag: 'wx' });
    try {
      linkSync(temporary, path);
    } catch (error) {
      // Some file systems have no hard links; an exclusive create is the next best.
      if (errnoOf(error) === 'EEXIST') return false;
      writeFileSync(path, text, { flag: 'wx' });
    }
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
}

interface FoundLock {
  text: string;
  holder: Holder | null;
  touchedMs: number;
}

function readLock(path: string): FoundLock | null {
  try {
    const text = readFileSync(path, 'utf8');
    return { text, holder: parseHolder(text), touchedMs: statSync(path).mtimeMs };
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
}

function parseHolder(text: string): Holder | null {
  try {
    const value = JSON.parse(text) as Partial<Holder> | null;
    if (!value || !Number.isSafeInteger(value.pid) || value.pid! <= 0 || typeof value.host !== 'string')
      return null;
    return {
      pid: value.pid!,
      host: value.host,
      processStart: typeof value.processStart === 'string' ? value.processStart : null,
      bootId: typeof value.bootId === 'string' ? value.bootId : null,
    };
  } catch {
    return null;
  }
}

function isStale({ holder, touchedMs }: FoundLock, nowMs: number): boolean {
  const self = describeSelf();
  if (holder === null || holder.host !== self.host) return nowMs - touchedMs > SILENCE_MS;
  if (holder.bootId !== null && self.bootId !== null && holder.bootId !== self.bootId) return true;
  if (holder.pid === self.pid)
    return holder.processStart !== null && holder.processStart !== self.processStart;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    return errnoOf(error) === 'ESRCH';
  }
  return holder.processStart !== null && processStart(holder.pid) !== holder.processStart;
}

/** Moves the lock aside and deletes it only if it is the one that was judged stale. */
function removeStale(path: string, text: string): void {
  const aside = temporaryName(path);
  try {
    renameSync(path, aside);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return;
    throw error;
  }
  if (readFileSync(aside, 'utf8') !== text) place(path, readFileSync(aside, 'utf8'));
  rmSync(aside, { force: true });
}

function describeSelf(): Holder {
  return { pid: process.pid, host: hostname(), processStart: processStart(process.pid), bootId: bootId() };
}

/** Field 22 of /proc/<pid>/stat (clock ticks since boot); null on other systems or when the process is gone. */
function processStart(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A zombie has ended; only its parent has not asked for its status yet.
    return fields[0] === 'Z' ? null : (fields[19] ?? null);
  } catch {
    return null;
  }
}

function bootId(): string | null {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return null;
  }
}

function lockedError(outputDir: string, path: string, holder: Holder | null): FactoryError {
  const who = holder ? `process ${holder.pid} on ${holder.host}` : 'an unreadable lock file';
  return new FactoryError({
    code: 'STORE_LOCKED',
    message: `expected ${outputDir} to be free, found it in use by ${who} (${path})`,
    remedy: `Wait for that run or stop it, choose another output_dir, or delete ${path} if you are sure that no run uses it.`,
    details: { path, holder },
  });
}
