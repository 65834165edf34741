// In: lines. Out: the same at the end of a file or on stderr, written piece by piece without holding anybody up. A reader that is
// too slow costs lines, which are counted.
import { close, open, write } from 'node:fs';
import { promisify } from 'node:util';
import type { LogSink } from '#factory/http/server.ts';
import { diskError } from '#factory/store/disk-error.ts';

/** About 5 MB of request lines. */
const MOST_WAITING = 10_000;
const RETRY_MS = 20;
const STDERR = 2;

export interface OpenLogSink extends LogSink {
  dropped(): number;
  /** Writes what waits, for at most a second. */
  close(): Promise<void>;
}

/** `where` is `stderr` or a path. */
export async function openLogSink(where: string): Promise<OpenLogSink> {
  const fd = where === 'stderr' ? STDERR : await openFile(where);
  let waiting: string[] = [];
  let dropped = 0;
  let rest: Buffer | null = null;
  let isWriting = false;

  const step = () => {
    if (rest === null) {
      if (waiting.length === 0) {
        isWriting = false;
        return;
      }
      rest = Buffer.from(`${waiting.join('\n')}\n`);
      waiting = [];
    }
    isWriting = true;
    write(fd, rest, (error, written) => {
      if (error?.code === 'EAGAIN') return void setTimeout(step, RETRY_MS);
      // A full disk or a reader that is gone: what was to be written is lost, and the server goes on.
      if (error) dropped += linesIn(rest!);
      rest = error || written === rest!.length ? null : rest!.subarray(written);
      step();
    });
  };
  return {
    write(line) {
      if (waiting.length >= MOST_WAITING) dropped++;
      else waiting.push(line);
      // Lines of one tick leave in one call.
      if (!isWriting) {
        isWriting = true;
        setImmediate(step);
      }
    },
    dropped: () => dropped,
    async close() {
      for (let tries = 0; isWriting && tries < 50; tries++)
        await new Promise((resolve) => setTimeout(resolve, 20));
      if (fd !== STDERR) await promisify(close)(fd);
    },
  };
}

async function openFile(path: string): Promise<number> {
  try {
    return await promisify(open)(path, 'a', 0o640);
  } catch (error) {
    throw diskError(error, 'open log file', path);
  }
}

function linesIn(bytes: Buffer): number {
  let lines = 0;
  for (const byte of bytes) if (byte === 10) lines++;
  return lines;
}
