// In: the keys of the prompts that a run trains on. Out: `trained_prompts.txt` in its folder, one key a line, sorted; and
// back. An evaluation finds by it whether the model has seen the questions. Keys hold no text.
import { readFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { writeAtomic } from './atomic-file.ts';
import { errnoOf } from './disk-error.ts';
import { readError } from './read-error.ts';

const TRAINED_PROMPTS_FILE = 'trained_prompts.txt';

export async function writeTrainedPrompts(dir: string, keys: Iterable<string>): Promise<void> {
  const lines = [...new Set(keys)].sort();
  await writeAtomic(join(dir, TRAINED_PROMPTS_FILE), lines.map((line) => `${line}\n`).join(''));
}

/** Of the run that a model, adapter or checkpoint folder comes from; null where there is no such file. */
export async function readTrainedPrompts(dir: string): Promise<ReadonlySet<string> | null> {
  const own = resolve(dir);
  const folders = /^checkpoint-\d+$/.test(basename(own)) ? [own, dirname(own)] : [own];
  for (const folder of folders) {
    const path = join(folder, TRAINED_PROMPTS_FILE);
    try {
      const lines = (await readFile(path, 'utf8')).split('\n');
      return new Set(lines.filter((line) => line !== ''));
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ENOTDIR')
        throw readError(error, path, 'DATA_BAD_FILE');
    }
  }
  return null;
}
