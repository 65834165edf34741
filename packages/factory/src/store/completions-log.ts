// In: answers that a run wrote to learn from. Out: `completions.jsonl`, one line an answer, and its truncation to the step
// that a run goes on from.
import { appendFile, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAtomic } from './atomic-file.ts';
import { diskError, errnoOf } from './disk-error.ts';

const COMPLETIONS_FILE = 'completions.jsonl';

export interface LoggedCompletion {
  /** The first step that learns from it. */
  step: number;
  file: string;
  /** Zero-based. */
  row: number;
  prompt: string;
  completion: string;
  reward: number | null;
  rewards: Record<string, number>;
  failures?: { name: string; why: string }[];
}

export async function appendCompletions(
  outputDir: string,
  entries: readonly LoggedCompletion[],
): Promise<void> {
  if (entries.length === 0) return;
  const path = join(outputDir, COMPLETIONS_FILE);
  await appendFile(path, entries.map((entry) => `${JSON.stringify(entry)}\n`).join('')).catch((error) => {
    throw diskError(error, 'append to', path);
  });
}

/** Keeps the lines of steps up to `step`; a negative step deletes the file. */
export async function truncateCompletions(outputDir: string, step: number): Promise<void> {
  const path = join(outputDir, COMPLETIONS_FILE);
  if (step < 0) return rm(path, { force: true });
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return;
    throw diskError(error, 'read', path);
  }
  const kept = text.split('\n').filter((line) => stepOf(line) <= step);
  await writeAtomic(path, kept.map((line) => `${line}\n`).join(''));
}

/** A line that was cut off by a crash belongs to no step. */
function stepOf(line: string): number {
  try {
    return (JSON.parse(line) as LoggedCompletion).step;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
