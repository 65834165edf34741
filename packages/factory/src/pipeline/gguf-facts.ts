// In: the path of a GGUF file. Out: its metadata, and a sum that changes when the file does. Of large files the sum is taken of
// the header and of blocks spread over the rest, since reading all of it would take longer than loading it.
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { FactoryError } from '#factory/errors.ts';
import { readGgufHeader } from '#factory/model/gguf/header.ts';
import type { GgufMetadata } from '#factory/records/gguf.ts';
import { errnoOf } from '#factory/store/disk-error.ts';
import { readError } from '#factory/store/read-error.ts';

export interface GgufFacts {
  metadata: GgufMetadata;
  /** Hex. */
  sum: string;
}

const BLOCKS = 128;
const BLOCK_BYTES = 2 ** 16;

export async function ggufFacts(path: string): Promise<GgufFacts> {
  try {
    const file = await open(path, 'r');
    try {
      const { metadata } = await readGgufHeader(file, path);
      const { size } = await file.stat();
      const hash = createHash('sha256').update(`${size}\n`);
      const block = Buffer.alloc(BLOCK_BYTES);
      const step = Math.max(BLOCK_BYTES, Math.floor(size / BLOCKS));
      for (let at = 0; at < size; at += step) {
        const { bytesRead } = await file.read(block, 0, BLOCK_BYTES, at);
        hash.update(block.subarray(0, bytesRead));
      }
      return { metadata, sum: hash.digest('hex') };
    } finally {
      await file.close();
    }
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw readError(error, path, 'MODEL_BAD_FILE');
    throw new FactoryError({
      code: 'MODEL_NOT_FOUND',
      message: `${path}: expected a GGUF file, found no such file`,
      remedy: 'Check the path for typing errors.',
      details: { path },
    });
  }
}
