// In: the path of a text file, plain or gzip. Out: its text in chunks or lines, decoded as strict UTF-8 without BOM.
// Binary files, other encodings and damaged archives end in DATA_BAD_FILE; nothing is guessed.
import { createReadStream } from 'node:fs';
import { createGunzip, type Gunzip } from 'node:zlib';
import { FactoryError } from '#factory/errors.ts';

/** Longest row in characters: a guard against files that are not what their name says. */
export const MAX_ROW_CHARS = 64 * 1024 * 1024;

export async function* readTextChunks(path: string): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let lines = 0;
  let first = true;
  for await (const bytes of readBytes(path)) {
    if (first) {
      first = false;
      if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)) {
        throw badFile(path, 'expected UTF-8 text, found UTF-16', 'Save the file as UTF-8.');
      }
    }
    const text = decode(bytes, true);
    if (text.length > 0) yield text;
  }
  decode(new Uint8Array(0), false);

  function decode(bytes: Uint8Array, stream: boolean): string {
    let text: string;
    try {
      text = decoder.decode(bytes, { stream });
    } catch (cause) {
      throw badFile(
        path,
        `expected UTF-8 text, found other bytes after line ${lines + 1}`,
        'Save the file as UTF-8 (Chinese files from older Windows programs are often GB18030: iconv -f GB18030 -t UTF-8).',
        cause,
      );
    }
    const nul = text.indexOf('\0');
    if (nul >= 0) {
      throw badFile(
        path,
        `expected text, found a NUL byte near line ${lines + countNewlines(text, nul) + 1}`,
        'Give a text file in UTF-8, not a binary file or UTF-16.',
      );
    }
    lines += countNewlines(text, text.length);
    return text;
  }
}

/** Lines without their ends (`\n` or `\r\n`); `line` counts from zero, blank lines included. */
export async function* readLines(path: string): AsyncGenerator<{ line: number; text: string }> {
  let pending = '';
  let line = 0;
  for await (const chunk of readTextChunks(path)) {
    let start = 0;
    for (let end = chunk.indexOf('\n'); end >= 0; end = chunk.indexOf('\n', start)) {
      const text = pending + chunk.slice(start, end);
      yield { line: line++, text: text.endsWith('\r') ? text.slice(0, -1) : text };
      pending = '';
      start = end + 1;
    }
    pending += chunk.slice(start);
    if (pending.length > MAX_ROW_CHARS) throw rowTooLong(path, line);
  }
  if (pending.length > 0) yield { line, text: pending.endsWith('\r') ? pending.slice(0, -1) : pending };
}

export function rowTooLong(path: string, row: number): FactoryError {
  return badFile(
    path,
    `row ${row + 1} is longer than ${MAX_ROW_CHARS / 1024 / 1024} million characters`,
    'Check that the file is what its name says, or split the row.',
  );
}

export function badFile(path: string, found: string, remedy: string, cause?: unknown): FactoryError {
  return new FactoryError({ code: 'DATA_BAD_FILE', message: `${path}: ${found}`, remedy, cause });
}

async function* readBytes(path: string): AsyncGenerator<Uint8Array> {
  const file = createReadStream(path, { highWaterMark: 1 << 18 });
  let gunzip: Gunzip | null = null;
  try {
    const iterator = file[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
    const head = await iterator.next();
    if (head.done) return;
    if (!(head.value[0] === 0x1f && head.value[1] === 0x8b)) {
      yield head.value;
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
      return;
    }
    gunzip = createGunzip();
    feed(gunzip, head, iterator);
    yield* gunzip as AsyncIterable<Uint8Array>;
  } catch (cause) {
    throw readFailure(path, cause);
  } finally {
    gunzip?.destroy();
    file.destroy();
  }
}

/** Writes the archive into `gunzip` at the pace at which it is read; failures reach the reader through it. */
async function feed(
  gunzip: Gunzip,
  head: IteratorResult<Uint8Array>,
  rest: AsyncIterator<Uint8Array>,
): Promise<void> {
  const drained = () =>
    new Promise<void>((resolve) => {
      gunzip.once('drain', resolve);
      gunzip.once('close', resolve);
    });
  try {
    for (let next = head; !next.done; next = await rest.next()) {
      if (gunzip.destroyed) return;
      if (!gunzip.write(next.value)) await drained();
    }
    gunzip.end();
  } catch (error) {
    gunzip.destroy(error as Error);
  }
}

function readFailure(path: string, cause: unknown): FactoryError {
  if (cause instanceof FactoryError) return cause;
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === 'ENOENT') {
    return new FactoryError({
      code: 'DATA_NOT_FOUND',
      message: `${path}: no such file`,
      remedy: 'Check the path, and "file_name" in dataset_info.json.',
      cause,
    });
  }
  if (code?.startsWith('Z_')) {
    return badFile(path, `the gzip archive is damaged (${message})`, 'Compress the file again.', cause);
  }
  return badFile(path, `cannot be read (${message})`, 'Check the file and its permissions.', cause);
}

function countNewlines(text: string, end: number): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at >= 0 && at < end; at = text.indexOf('\n', at + 1)) count++;
  return count;
}
