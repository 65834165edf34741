// In: the path of a file, plain or compressed by gzip or zstd. Out: its bytes, decompressed, in pieces. A damaged archive is
// DATA_BAD_FILE, a missing file DATA_NOT_FOUND.
import { createReadStream } from 'node:fs';
import type { Transform } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { FactoryError } from '#factory/errors.ts';
import { badFile } from './bad-file.ts';

export async function* readBytes(path: string): AsyncGenerator<Uint8Array> {
  const file = createReadStream(path, { highWaterMark: 1 << 18 });
  let unpacker: Transform | null = null;
  try {
    const iterator = file[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
    const head = await iterator.next();
    if (head.done) return;
    unpacker = unpackerOf(head.value);
    if (unpacker === null) {
      yield head.value;
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
      return;
    }
    feed(unpacker, head, iterator);
    yield* unpacker as AsyncIterable<Uint8Array>;
  } catch (cause) {
    throw readFailure(path, cause);
  } finally {
    unpacker?.destroy();
    file.destroy();
  }
}

function unpackerOf(head: Uint8Array): Transform | null {
  if (head[0] === 0x1f && head[1] === 0x8b) return createGunzip();
  const isZstd = head[0] === 0x28 && head[1] === 0xb5 && head[2] === 0x2f && head[3] === 0xfd;
  return isZstd ? createZstdDecompress() : null;
}

/** Writes the archive into `unpacker` at the pace at which it is read; failures reach the reader through it. */
async function feed(
  unpacker: Transform,
  head: IteratorResult<Uint8Array>,
  rest: AsyncIterator<Uint8Array>,
): Promise<void> {
  const drained = () =>
    new Promise<void>((resolve) => {
      unpacker.once('drain', resolve);
      unpacker.once('close', resolve);
    });
  try {
    for (let next = head; !next.done; next = await rest.next()) {
      if (unpacker.destroyed) return;
      if (!unpacker.write(next.value)) await drained();
    }
    unpacker.end();
  } catch (error) {
    unpacker.destroy(error as Error);
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
  if (code?.startsWith('Z_') || code?.startsWith('ZSTD_')) {
    const kind = code.startsWith('Z_') ? 'gzip' : 'zstd';
    return badFile(path, `the ${kind} archive is damaged (${message})`, 'Compress the file again.', cause);
  }
  return badFile(path, `cannot be read (${message})`, 'Check the file and its permissions.', cause);
}
