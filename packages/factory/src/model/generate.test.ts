// Generation: when rows end, and that rows do not disturb each other.

import { openBackend } from '@tunesmith/engine';
import { afterAll, describe, expect, test } from 'vitest';
import { seededRandom } from '#factory/records/seeded-random.ts';
import { greedy } from './fixtures/greedy.ts';
import { tinyConfig, tinyDecoder, tinyRows } from './fixtures/tiny-decoder.ts';
import { type GenerateOptions, generateTokens } from './generate.ts';

const backend = await openBackend('cpu', { threads: 1 });
afterAll(() => backend.dispose());
const decoder = await tinyDecoder(backend, { config: tinyConfig({ max_position_embeddings: 24 }) });

const prompts = tinyRows([5, 2, 9], 'prompts').map((r) => [...r.inputIds]);
const generate = (options: Partial<GenerateOptions> = {}, of = prompts) =>
  generateTokens(decoder, of, { ...greedy(8), ...options });

describe('generateTokens', () => {
  test('gives a batch what it gives its rows one by one', async () => {
    const together = await generate();
    for (const [r, prompt] of prompts.entries()) expect(await generate({}, [prompt])).toEqual([together[r]]);
    for (const { ids, finish } of together) {
      expect(ids).toHaveLength(8);
      expect(finish).toBe('length');
    }
  });

  test('a stop id ends its row, is not kept, and the others go on', async () => {
    const free = await generate();
    const stop = free[0].ids[3];
    const stopped = await generate({ stopIds: [stop] });
    stopped.forEach(({ ids, finish }, r) => {
      const at = free[r].ids.indexOf(stop);
      expect(ids).toEqual(at < 0 ? free[r].ids : free[r].ids.slice(0, at));
      expect(finish).toBe(at < 0 ? 'length' : 'stop');
    });
  });

  test('tells each token once, and its answer ends a row', async () => {
    const told: number[][] = prompts.map(() => []);
    const results = await generate({
      onToken(row, id) {
        told[row].push(id);
        return row !== 1 || told[row].length < 2;
      },
    });
    expect(told).toEqual(results.map((r) => r.ids));
    expect(results.map((r) => [r.ids.length, r.finish])).toEqual([
      [8, 'length'],
      [2, 'stop'],
      [8, 'length'],
    ]);
  });

  test('ends at the last position of the model', async () => {
    const results = await generate({ maxNewTokens: 100 });
    expect(results.map(({ ids }, r) => ids.length + prompts[r].length)).toEqual([24, 24, 24]);
    expect(results.map((r) => r.finish)).toEqual(['length', 'length', 'length']);
  });

  test('a signal ends all rows with what they have', async () => {
    const controller = new AbortController();
    const results = await generate({
      signal: controller.signal,
      onToken(row) {
        if (row === 2) controller.abort();
        return true;
      },
    });
    expect(results.map((r) => [r.ids.length, r.finish])).toEqual([
      [1, 'cancelled'],
      [1, 'cancelled'],
      [1, 'cancelled'],
    ]);
  });

  test('no new tokens are none', async () => {
    expect(await generate({ maxNewTokens: 0 })).toEqual(
      prompts.map(() => ({ ids: [], finish: 'length', stopId: null })),
    );
  });

  test('a seed decides what is sampled', async () => {
    const sample = (seed: number) => {
      const random = seededRandom(seed);
      return generate({ doSample: true, temperature: 3, random: () => random.next() });
    };
    expect(await sample(1)).toEqual(await sample(1));
    expect(await sample(1)).not.toEqual(await sample(2));
  });

  test('a strong repetition penalty avoids the tokens of the prompt and the answer', async () => {
    const [{ ids }] = await generate({ repetitionPenalty: 1e6 }, [prompts[0]]);
    expect(new Set([...prompts[0], ...ids]).size).toBe(new Set(prompts[0]).size + ids.length);
  });

  test.each([
    ['none', []],
    ['as many as there are positions', new Array<number>(24).fill(1)],
  ])('a prompt of %s is refused', async (_, prompt) => {
    await expect(generate({}, [[1, 2], prompt])).rejects.toMatchObject({
      code: 'MODEL_CONTEXT_EXCEEDED',
      message: `prompt 2 has ${prompt.length} tokens, expected 1 to 23`,
    });
  });
});
