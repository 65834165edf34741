// In: a decoder, prompts and how to sample. Out: one answer to each, with the id that ended it. Each answer has a random
// stream of its own, named by the caller, so that what is drawn does not depend on what is drawn beside it.
import type { Decoder } from '#factory/model/decoder.ts';
import { generateTokens } from '#factory/model/generate.ts';
import type { SamplingOptions } from '#factory/model/sample-token.ts';
import { seededRandom } from '#factory/records/seeded-random.ts';
import { chunksOf } from './log-probs.ts';

export interface Sampling extends SamplingOptions {
  maxNewTokens: number;
  stopIds: readonly number[];
}

export interface WrittenAnswer {
  /** With the id that ended it. */
  completion: number[];
  /** It came to an end before it was too long. */
  isFinished: boolean;
}

/** Keys and values of so many tokens are in memory at once. */
export const CACHE_TOKENS = 16_384;

/** `key` names the streams. Throws the signal's reason when it aborts. */
export async function writeAnswers(
  decoder: Decoder,
  prompts: readonly (readonly number[])[],
  sampling: Sampling,
  { key, signal }: { key: string; signal?: AbortSignal },
  onProgress?: (done: number) => void,
): Promise<WrittenAnswer[]> {
  const answers: WrittenAnswer[] = [];
  const sizes = prompts.map((ids) => ({ inputIds: { length: ids.length + sampling.maxNewTokens } }));
  for (const [from, to] of chunksOf(sizes, CACHE_TOKENS)) {
    const streams = prompts.slice(from, to).map((_, i) => seededRandom(`${key}/${from + i}`));
    const written = await generateTokens(decoder, prompts.slice(from, to), {
      ...sampling,
      random: (row) => streams[row].next(),
      signal,
    });
    signal?.throwIfAborted();
    for (const { ids, finish, stopId } of written)
      answers.push({
        completion: stopId === null ? ids : [...ids, stopId],
        isFinished: finish === 'stop',
      });
    onProgress?.(to);
  }
  return answers;
}
