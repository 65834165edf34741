// In: prompts as token ids and sampling options. Out: new token ids per prompt, told as they come. Text and stop words are
// the caller's: it may end a row from `onToken`.
import type { Executable } from '@tunesmith/engine';
import { FactoryError } from '#factory/errors.ts';
import type { Decoder } from './decoder.ts';
import { CachedDecoder } from './kv-cache.ts';
import { releaseArray } from './release-array.ts';
import { type SamplingOptions, sampleToken } from './sample-token.ts';

export interface GenerateOptions extends SamplingOptions {
  maxNewTokens: number;
  stopIds: readonly number[];
  /** In [0, 1), for the next token of a row. */
  random(row: number): number;
  signal?: AbortSignal;
  /** Called with each new token that is kept; returns false to end that row. */
  onToken?(row: number, id: number): boolean;
}

export interface Generated {
  ids: number[];
  finish: 'stop' | 'length' | 'cancelled';
  /** The id that ended the row; it is not one of `ids`. */
  stopId: number | null;
}

const compiled = new WeakMap<Decoder, Map<string, Promise<Executable>>>();

export async function generateTokens(
  decoder: Decoder,
  prompts: readonly (readonly number[])[],
  options: GenerateOptions,
): Promise<Generated[]> {
  const limit = decoder.config.maxPositions;
  const tooLong = prompts.findIndex((p) => p.length === 0 || p.length >= limit);
  if (tooLong >= 0)
    throw new FactoryError({
      code: 'MODEL_CONTEXT_EXCEEDED',
      message: `prompt ${tooLong + 1} has ${prompts[tooLong].length} tokens, expected 1 to ${limit - 1}`,
      remedy: 'Shorten the prompt, or use a model with a longer context.',
    });
  const executables = compiled.get(decoder) ?? new Map<string, Promise<Executable>>();
  compiled.set(decoder, executables);
  const cache = new CachedDecoder(decoder, prompts.length, executables);
  const vocab = decoder.config.vocabSize;
  const results: Generated[] = prompts.map(() => ({ ids: [], finish: 'length', stopId: null }));
  const open = new Set(prompts.keys());
  let logits = await cache.append(prompts);
  while (open.size > 0) {
    const next: number[][] = prompts.map(() => []);
    for (const row of [...open]) {
      const { ids } = results[row];
      if (options.signal?.aborted) {
        results[row].finish = 'cancelled';
        open.delete(row);
        continue;
      }
      if (ids.length >= options.maxNewTokens || prompts[row].length + ids.length >= limit) {
        open.delete(row);
        continue;
      }
      const seen = options.repetitionPenalty === 1 ? [] : [...prompts[row], ...ids];
      const own = logits.subarray(row * vocab, (row + 1) * vocab);
      const id = sampleToken(own, seen, options, () => options.random(row));
      if (options.stopIds.includes(id)) {
        results[row].finish = 'stop';
        results[row].stopId = id;
        open.delete(row);
        continue;
      }
      ids.push(id);
      if (options.onToken?.(row, id) === false) {
        results[row].finish = 'stop';
        open.delete(row);
        continue;
      }
      next[row] = [id];
    }
    if (open.size === 0 || next.every((n) => n.length === 0)) break;
    releaseArray(logits);
    logits = await cache.append(next);
  }
  releaseArray(logits);
  cache.dispose();
  return results;
}

/** Frees the scratch of the graphs that write answers, before a phase of the run that uses others. */
export async function shrinkGeneration(decoder: Decoder): Promise<void> {
  for (const graph of await Promise.all(compiled.get(decoder)?.values() ?? [])) await graph.shrink();
}
