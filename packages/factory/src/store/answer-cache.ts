// In: a file and requests by their hash. Out: answers that were given before, and new ones added as they come: a line of
// JSON each, so that a killed run loses at most the last. It asks nobody.
import { appendFileSync, mkdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { diskError, errnoOf } from './disk-error.ts';

export interface CachedAnswer {
  text: string;
  promptTokens: number;
  newTokens: number;
}

export interface AnswerCache {
  get(key: string): CachedAnswer | undefined;
  add(key: string, answer: CachedAnswer): void;
}

export async function openAnswerCache(path: string): Promise<AnswerCache> {
  const known = new Map<string, CachedAnswer>();
  let torn = false;
  try {
    const text = await readFile(path, 'utf8');
    torn = text !== '' && !text.endsWith('\n');
    for (const line of text.split('\n')) {
      const entry = readEntry(line);
      if (entry) known.set(entry.key, entry.answer);
    }
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw diskError(error, 'read', path);
  }
  return {
    get: (key) => known.get(key),
    add(key, answer) {
      known.set(key, answer);
      try {
        mkdirSync(dirname(path), { recursive: true });
        // A torn line is ended, and then skipped by the next reader.
        appendFileSync(path, `${torn ? '\n' : ''}${JSON.stringify({ key, ...answer })}\n`);
        torn = false;
      } catch (error) {
        throw diskError(error, 'append to', path);
      }
    },
  };
}

function readEntry(line: string): { key: string; answer: CachedAnswer } | null {
  try {
    const { key, text, promptTokens, newTokens } = JSON.parse(line) as Record<string, unknown>;
    if (typeof key !== 'string' || typeof text !== 'string') return null;
    return { key, answer: { text, promptTokens: Number(promptTokens), newTokens: Number(newTokens) } };
  } catch {
    return null;
  }
}
