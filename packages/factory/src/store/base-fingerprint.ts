// In: a model folder or a GGUF file. Out: a fingerprint that another model, however alike, does not have, and the small file in
// which an adapter keeps that of its base. Weights are sampled, so that a large model takes no time; whole sums are the manifest's.
import { createHash } from 'node:crypto';
import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { FactoryError } from '#factory/errors.ts';
import { readError } from './read-error.ts';
import { readJsonObject } from './read-json.ts';

export const BASE_FILE = 'tunesmith_base.json';

const schema = z.object({ format: z.literal(1), name: z.string(), fingerprint: z.string() });

/** Bytes read at the front of a weight file, which hold the names, types and places of its tensors. */
const HEAD = 256 * 1024;
const SAMPLES = 32;
const SAMPLE_BYTES = 4096;

export async function baseFingerprint(path: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    const isFile = (await stat(path)).isFile();
    const names = isFile
      ? [path]
      : (await readdir(path))
          .filter((name) => name === 'config.json' || name.endsWith('.safetensors'))
          .sort()
          .map((name) => join(path, name));
    for (const name of names) await addFile(hash, name, isFile);
  } catch (error) {
    throw readError(error, path, 'MODEL_BAD_FILE');
  }
  return hash.digest('hex');
}

/** The content of BASE_FILE. */
export async function formatBaseFile(name: string, path: string): Promise<string> {
  return `${JSON.stringify({ format: 1, name, fingerprint: await baseFingerprint(path) }, null, 2)}\n`;
}

/** What the adapter in `dir` was trained on; null where nobody has written it down. */
export async function readBaseFile(dir: string): Promise<{ name: string; fingerprint: string } | null> {
  const bad = {
    code: 'ADAPTERS_BAD_FILE' as const,
    remedy: `Delete ${BASE_FILE} to use the adapter without this check.`,
  };
  const raw = await readJsonObject(join(dir, BASE_FILE), bad);
  if (raw === null) return null;
  const parsed = schema.safeParse(raw);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0];
  throw new FactoryError({ ...bad, message: `${join(dir, BASE_FILE)}: ${path.join('.')}: ${message}` });
}

/** The name of a single file may change; names of a folder's files are part of the model. */
async function addFile(hash: ReturnType<typeof createHash>, path: string, isAlone: boolean): Promise<void> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    hash.update(`${isAlone ? '' : basename(path)}\n${size}\n`);
    hash.update(await readAt(file, 0, Math.min(HEAD, size)));
    if (size <= HEAD) return;
    for (let i = 1; i <= SAMPLES; i++) {
      const at = Math.floor(((size - SAMPLE_BYTES) * i) / SAMPLES);
      hash.update(await readAt(file, at, SAMPLE_BYTES));
    }
  } finally {
    await file.close();
  }
}

async function readAt(file: FileHandle, at: number, length: number): Promise<Uint8Array> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, at);
  return buffer.subarray(0, bytesRead);
}
