// In: the path of a small JSON file that others wrote, and how to name it in an error. Out: its object.
// It checks that the file is there, of sane size, valid JSON and an object; the keys are for the caller to judge.
import { open } from 'node:fs/promises';
import { FactoryError, type FactoryErrorFields } from '#factory/errors.ts';
import { errnoOf } from './disk-error.ts';
import { readError } from './read-error.ts';

/** No configuration or weight index comes near this; a larger file is not what its name says. */
const LIMIT_BYTES = 64 * 1024 * 1024;

/** Null when there is no such file. */
export async function readJsonObject(
  path: string,
  bad: Pick<FactoryErrorFields, 'code' | 'remedy'>,
): Promise<Record<string, unknown> | null> {
  const text = await readText(path, bad);
  if (text === null) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new FactoryError({
      ...bad,
      message: `${path}: expected JSON, found ${(error as Error).message.slice(0, 160)}`,
      cause: error,
    });
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new FactoryError({
      ...bad,
      message: `${path}: expected a JSON object, found ${Array.isArray(value) ? 'a list' : typeof value}`,
    });
  }
  return value as Record<string, unknown>;
}

async function readText(
  path: string,
  bad: Pick<FactoryErrorFields, 'code' | 'remedy'>,
): Promise<string | null> {
  try {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      if (size > LIMIT_BYTES) {
        throw new FactoryError({
          ...bad,
          message: `${path}: expected at most ${LIMIT_BYTES} bytes of JSON, found ${size}`,
        });
      }
      return (await file.readFile('utf8')).replace(/^\uFEFF/, '');
    } finally {
      await file.close();
    }
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return null;
    throw readError(error, path, bad.code);
  }
}
