// In: inferences, as they end. Out: a sink that never waits and never fails: entries gather, go in batches to a thread that
// writes them, and are counted as lost where it cannot keep up or the disk refuses. What goes wrong is said once.
import { Worker } from 'node:worker_threads';
import { FactoryError } from '#factory/errors.ts';
import type { InferenceEntry, InferenceLogLevel, InferenceSink } from '#factory/records/inference.ts';

export interface InferenceLogOptions {
  path: string;
  level: 'meta' | 'full';
  /** The file that begins the writing thread: it calls runInferenceWriter. */
  worker: URL;
  /** Rows older than this are taken out; null keeps all. */
  retentionDays: number | null;
  redact: boolean;
  /** How long another process may hold the lock. */
  busyMs?: number;
  /** Entries that may wait, and characters of their texts. */
  maxEntries?: number;
  maxCharacters?: number;
  note(text: string): void;
}

export interface WriterData {
  path: string;
  busyMs: number;
  redact: boolean;
  retentionDays: number | null;
}

export type WriterMessage = { kind: 'write'; entries: InferenceEntry[] } | { kind: 'close' };

export type WriterReply =
  | { kind: 'written' }
  | { kind: 'failed'; code: string; message: string; remedy: string };

const BATCH_ENTRIES = 100;
const BATCH_MS = 200;
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 30_000;
/** Closing waits for a disk that refuses only so often. */
const CLOSING_RETRIES = 1;

export function openInferenceLog(options: InferenceLogOptions): InferenceSink {
  const { path, level, redact, retentionDays, note } = options;
  const maxEntries = options.maxEntries ?? 10_000;
  const maxCharacters = options.maxCharacters ?? 64_000_000;
  const workerData: WriterData = { path, busyMs: options.busyMs ?? 2000, redact, retentionDays };
  const worker = new Worker(options.worker, { workerData });
  worker.unref();

  let waiting: InferenceEntry[] = [];
  let characters = 0;
  let underWay: InferenceEntry[] = [];
  let dropped = 0;
  let timer: NodeJS.Timeout | null = null;
  let retryMs = 0;
  let isTroubled = false;
  let isDead = false;
  let retriesLeft = Number.POSITIVE_INFINITY;
  const idle: (() => void)[] = [];

  function send(): void {
    clearTimer();
    if (underWay.length > 0) return;
    if (isDead) loseAll();
    if (waiting.length === 0) {
      for (const resolve of idle.splice(0)) resolve();
      return;
    }
    underWay = waiting.splice(0, BATCH_ENTRIES);
    worker.postMessage({ kind: 'write', entries: underWay } satisfies WriterMessage);
  }

  function sendIn(ms: number): void {
    timer ??= setTimeout(() => {
      timer = null;
      send();
    }, ms).unref();
  }

  function clearTimer(): void {
    if (timer) clearTimeout(timer);
    timer = null;
  }

  function loseAll(): void {
    dropped += waiting.length;
    waiting = [];
    characters = 0;
  }

  worker.on('message', (reply: WriterReply) => {
    const batch = underWay;
    underWay = [];
    if (reply.kind === 'written') {
      for (const entry of batch) characters -= sizeOf(entry);
      retryMs = 0;
      if (isTroubled) note(`the inference log is written again; ${dropped} entries are lost so far`);
      isTroubled = false;
    } else {
      waiting = [...batch, ...waiting];
      trouble(reply.message, reply.remedy);
      retryMs = Math.min(LAST_RETRY_MS, retryMs === 0 ? FIRST_RETRY_MS : 2 * retryMs);
      if (retriesLeft-- <= 0) loseAll();
    }
    if (waiting.length === 0 || (retryMs === 0 && (waiting.length >= BATCH_ENTRIES || idle.length > 0)))
      send();
    else sendIn(retryMs || BATCH_MS);
  });
  worker.on('error', (error) => die(error.message));
  worker.on('exit', (status) => {
    if (status !== 0) die(`its thread ended with status ${status}`);
    isDead = true;
    send();
  });

  function trouble(message: string, remedy: string): void {
    if (isTroubled) return;
    isTroubled = true;
    note(`the inference log cannot be written, and requests go on without it: ${message}. ${remedy}`);
  }

  function die(message: string): void {
    isDead = true;
    dropped += underWay.length;
    underWay = [];
    trouble(message, 'Start the server again to have a log.');
    send();
  }

  const flush = () =>
    new Promise<void>((resolve) => {
      idle.push(resolve);
      worker.ref();
      send();
    }).finally(() => worker.unref());

  return {
    level,
    record(entry) {
      const size = sizeOf(entry);
      const isFull = waiting.length + underWay.length >= maxEntries || characters + size > maxCharacters;
      if (isDead || isFull) {
        dropped++;
        if (isFull) trouble(`more than ${maxEntries} entries wait`, 'Put the file on a faster disk.');
        return;
      }
      waiting.push(level === 'full' ? entry : { ...entry, texts: null });
      characters += size;
      if (waiting.length >= BATCH_ENTRIES && retryMs === 0) send();
      else sendIn(retryMs || BATCH_MS);
    },
    dropped: () => dropped,
    flush,
    async close() {
      retriesLeft = CLOSING_RETRIES;
      await flush();
      if (isDead) return;
      const ended = new Promise((resolve) => worker.once('exit', resolve));
      worker.ref();
      worker.postMessage({ kind: 'close' } satisfies WriterMessage);
      await ended;
    },
  };

  function sizeOf({ texts }: InferenceEntry): number {
    return level === 'full' && texts ? JSON.stringify(texts).length : 0;
  }
}

/** A sink that keeps nothing. */
export function noInferenceLog(): InferenceSink {
  const level: InferenceLogLevel = 'off';
  return {
    level,
    record() {},
    dropped: () => 0,
    async flush() {},
    async close() {},
  };
}

export function asReply(error: unknown): WriterReply {
  if (error instanceof FactoryError)
    return { kind: 'failed', code: error.code, message: error.message, remedy: error.remedy };
  const message = error instanceof Error ? error.message : String(error);
  return { kind: 'failed', code: 'STORE_IO', message, remedy: 'Report this with the message.' };
}
