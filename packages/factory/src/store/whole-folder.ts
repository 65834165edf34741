// In: the path of a folder that is not there yet, and a function that fills a folder. Out: the folder whole and on the disk, or
// no folder. What a killed process left beside it is cleared away.
import { mkdir, readdir, rename, rm, rmdir, statfs } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { FactoryError } from '#factory/errors.ts';
import { isLeftover, syncFolder, temporaryName } from './atomic-file.ts';
import { diskError } from './disk-error.ts';

/** `fill` writes into a temporary folder beside `dir`, which gets its name when `fill` has ended. */
export async function writeWholeFolder<T>(
  dir: string,
  fill: (temporary: string) => Promise<T>,
  key = 'output_dir',
): Promise<T> {
  await refuseFullFolder(dir, key);
  await clearLeftovers(dir);
  const temporary = temporaryName(dir);
  try {
    await mkdir(temporary, { recursive: true });
    const result = await fill(temporary);
    await install(temporary, dir);
    return result;
  } catch (error) {
    throw diskError(error, 'write', dir);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Throws before anything is written where the disk of `dir` has less than `bytes` free. */
export async function requireSpace(dir: string, bytes: number): Promise<void> {
  const folder = await firstExisting(dir);
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (free >= bytes) return;
  const gigabytes = (n: number) => (n / 1e9).toFixed(2);
  throw new FactoryError({
    code: 'STORE_DISK_FULL',
    message: `${dir} needs ${gigabytes(bytes)} GB, and ${folder} has ${gigabytes(free)} GB free; nothing was written`,
    remedy: 'Free disk space, or choose a folder on a larger disk.',
    details: { dir, bytes, free },
  });
}

async function firstExisting(dir: string): Promise<string> {
  const names = await readdir(dir).catch(() => null);
  const parent = dirname(dir);
  return names || parent === dir ? dir : firstExisting(parent);
}

async function refuseFullFolder(dir: string, key: string): Promise<void> {
  const names = await readdir(dir).catch(() => []);
  if (names.length > 0)
    throw new FactoryError({
      code: 'TRAIN_OUTPUT_EXISTS',
      message: `${key} ${dir} is not empty: it has ${names[0]}`,
      remedy: `Set ${key} to a folder that does not exist yet.`,
    });
}

/** What a killed run left beside the folder. */
async function clearLeftovers(dir: string): Promise<void> {
  const parent = dirname(dir);
  const names = await readdir(parent).catch(() => []);
  for (const name of names)
    if (name.startsWith(`${basename(dir)}.tmp-`) && isLeftover(name))
      await rm(join(parent, name), { recursive: true, force: true });
}

async function install(temporary: string, dir: string): Promise<void> {
  await mkdir(dirname(dir), { recursive: true });
  await rmdir(dir).catch(() => undefined);
  await syncFolder(temporary);
  await rename(temporary, dir);
  await syncFolder(dirname(dir));
}
