// In: a path and the bytes that belong there. Out: the file whole and on the disk, or the old one untouched.
// Temporary names end in `.tmp-<pid>-<counter>`; whoever owns a folder clears leftovers with `removeLeftovers`.
import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { diskError, errnoOf } from './disk-error.ts';

/** Whole content, or pieces of it in order; typed arrays are written as their bytes. */
export type FileContent =
  | string
  | ArrayBufferView
  | Iterable<ArrayBufferView>
  | AsyncIterable<ArrayBufferView>;

export interface WrittenFile {
  bytes: number;
  /** Hex SHA-256. */
  sha256: string;
}

const LEFTOVER = /\.tmp-\d+-\d+$/;
/** One write call takes at most this much, so that hashing and writing stay in the cache's reach. */
const PIECE_BYTES = 1 << 22;
let counter = 0;

/** Writes to a temporary file in the same folder, syncs it, renames it over `path` and syncs the folder. */
export async function writeAtomic(path: string, content: FileContent): Promise<WrittenFile> {
  const temporary = temporaryName(path);
  try {
    await mkdir(dirname(path), { recursive: true });
    const written = await writeSynced(temporary, content);
    await rename(temporary, path);
    await syncFolder(dirname(path));
    return written;
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw diskError(error, 'write', path);
  }
}

/** A name beside `path` that no other write of any process uses and that `removeLeftovers` recognises. */
export function temporaryName(path: string): string {
  return `${path}.tmp-${process.pid}-${counter++}`;
}

/** True for names that an interrupted write or removal left behind. */
export function isLeftover(name: string): boolean {
  return LEFTOVER.test(name);
}

/** Writes a new file and syncs it. Fails where the file exists. Not atomic by itself. */
export async function writeSynced(path: string, content: FileContent): Promise<WrittenFile> {
  const hash = createHash('sha256');
  let bytes = 0;
  const file = await open(path, 'wx');
  try {
    for await (const piece of piecesOf(content)) {
      hash.update(piece);
      await writeFully(file, piece);
      bytes += piece.byteLength;
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return { bytes, sha256: hash.digest('hex') };
}

/** Makes renames and removals inside a folder durable. Systems that cannot sync folders need no such call. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  let folder: FileHandle | undefined;
  try {
    folder = await open(path, 'r');
    await folder.sync();
  } catch (error) {
    if (!['EINVAL', 'ENOTSUP', 'EISDIR'].includes(errnoOf(error))) throw error;
  } finally {
    await folder?.close();
  }
}

/** Deletes the temporary files and folders that killed processes left in `folder`; returns their names. */
export async function removeLeftovers(folder: string): Promise<string[]> {
  try {
    const names = (await readdir(folder)).filter(isLeftover);
    for (const name of names) await rm(join(folder, name), { recursive: true, force: true });
    return names;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw diskError(error, 'clear temporary files in', folder);
  }
}

async function* piecesOf(content: FileContent): AsyncGenerator<Uint8Array> {
  if (typeof content === 'string') {
    yield* split(Buffer.from(content, 'utf8'));
  } else if (ArrayBuffer.isView(content)) {
    yield* split(content);
  } else {
    for await (const piece of content) yield* split(piece);
  }
}

function* split(view: ArrayBufferView): Generator<Uint8Array> {
  for (let at = 0; at < view.byteLength; at += PIECE_BYTES) {
    yield new Uint8Array(view.buffer, view.byteOffset + at, Math.min(PIECE_BYTES, view.byteLength - at));
  }
}

async function writeFully(file: FileHandle, piece: Uint8Array): Promise<void> {
  for (let at = 0; at < piece.byteLength; ) {
    const { bytesWritten } = await file.write(piece, at, piece.byteLength - at);
    at += bytesWritten;
  }
}
