// In: a Parquet file, any of its compressions. Out: rows, one row group in memory at a time.
// Decoding runs in a worker thread with a time limit, so that a damaged file can neither hang nor crash the program.
import { open } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import { FactoryError } from '#factory/errors.ts';
import { badFile } from './bad-file.ts';
import type { ParquetReply } from './parquet-worker.ts';
import type { RawRow } from './raw-row.ts';
import { clip } from './suggest-name.ts';

/** Patience with a row group: 30 s, and 1 s more per MB, which is far below any decoder's speed. */
const PATIENCE_MS = 30_000;
const PATIENCE_MS_PER_BYTE = 1e-3;

export async function* readParquet(path: string, patienceMs = PATIENCE_MS): AsyncGenerator<RawRow> {
  await checkMagic(path);
  const worker = new Worker(new URL('./parquet-worker.ts', import.meta.url), { workerData: path });
  // Late failures of a decoder that was given up must not surface as uncaught.
  worker.on('error', () => {});
  try {
    const first = await nextReply(worker, path, patienceMs);
    const groups = first.kind === 'groups' ? first.groups : [];
    let row = 0;
    for (const [index, { rows, bytes }] of groups.entries()) {
      if (rows === 0) continue;
      checkGroup(path, rows, bytes);
      worker.postMessage(index);
      const reply = await nextReply(worker, path, patienceMs + bytes * PATIENCE_MS_PER_BYTE);
      const found = reply.kind === 'rows' ? reply.rows : [];
      if (found.length !== rows)
        throw damaged(path, `a row group claims ${rows} rows and has ${found.length}`);
      for (const columns of found) yield { row: row++, columns };
    }
  } finally {
    await worker.terminate();
  }
}

function nextReply(worker: Worker, path: string, patienceMs: number): Promise<ParquetReply> {
  return new Promise((resolve, reject) => {
    const limit = Math.min(patienceMs, 2 ** 31 - 1);
    const timer = setTimeout(() => stop('decoding does not come to an end'), limit);
    const onMessage = (reply: ParquetReply) =>
      reply.kind === 'failed' ? stop(reply.message) : done(() => resolve(reply));
    const onError = (cause: unknown) => stop(cause instanceof Error ? cause.message : String(cause), cause);
    const onExit = () => stop('decoding broke off');
    const stop = (found: string, cause?: unknown) => done(() => reject(damaged(path, found, cause)));
    const done = (settle: () => void) => {
      clearTimeout(timer);
      worker.off('message', onMessage).off('error', onError).off('exit', onExit);
      settle();
    };
    worker.on('message', onMessage).on('error', onError).on('exit', onExit);
  });
}

function checkGroup(path: string, rows: number, bytes: number): void {
  if (
    !(Number.isSafeInteger(rows) && rows >= 0 && rows < 2 ** 31 && Number.isSafeInteger(bytes) && bytes >= 0)
  ) {
    throw damaged(path, `a row group claims ${rows} rows in ${bytes} bytes`);
  }
}

async function checkMagic(path: string): Promise<void> {
  const file = await open(path).catch((cause) => {
    throw new FactoryError({
      code: 'DATA_NOT_FOUND',
      message: `${path}: cannot be opened (${(cause as Error).message})`,
      remedy: 'Check the path, and "file_name" in dataset_info.json.',
      cause,
    });
  });
  try {
    const { size } = await file.stat();
    const ends = Buffer.alloc(8);
    if (size >= 12) {
      await file.read(ends, 0, 4, 0);
      await file.read(ends, 4, 4, size - 4);
    }
    if (ends.toString('latin1') !== 'PAR1PAR1')
      throw damaged(path, 'it lacks the mark PAR1 at its start or end');
  } finally {
    await file.close();
  }
}

function damaged(path: string, found: string, cause?: unknown): FactoryError {
  return badFile(
    path,
    `is not a readable Parquet file (${clip(found, 200)})`,
    'Write or download the file again.',
    cause,
  );
}
