// In: texts and lines. Out: the same on stdout and stderr. Only log-sink.ts writes to stderr besides.
import { writeSync } from 'node:fs';

export interface Console {
  /** Results: what a script would read. */
  out(text: string): void;
  /** Everything else: notes, progress, errors. */
  err(text: string): void;
  readonly outIsTty: boolean;
  readonly errIsTty: boolean;
  /** Width of the terminal in columns. */
  readonly columns: number;
}

/** A reader that goes away (`tunesmith help | head`) ends the program quietly. */
function write(fd: 1 | 2, text: string): void {
  let bytes = Buffer.from(text, 'utf8');
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(writeSync(fd, bytes));
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'EPIPE') process.exit(0);
      if (code !== 'EAGAIN') throw error;
      // A full non-blocking pipe: wait a moment for the reader.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

export const terminal: Console = {
  out: (text) => write(1, text),
  err: (text) => write(2, text),
  outIsTty: process.stdout.isTTY === true,
  errIsTty: process.stderr.isTTY === true,
  columns: process.stderr.columns ?? process.stdout.columns ?? 100,
};
