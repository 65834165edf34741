// A real trained model answers through llama.cpp as through our own engine: the same greedy tokens, the same log-probabilities,
// also where its answers are made side by side. Skipped where the development assets are absent.
import { readFileSync } from 'node:fs';
import { openBackend } from '@tunesmith/engine';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { GREEDY } from '../../packages/factory/src/records/served-model.ts';
import type { TokenAsk } from '../../packages/factory/src/records/token-engine.ts';
import { type LlamaEngine, openLlamaEngine } from '../../packages/factory/src/serve/llama-engine.ts';
import { llamaSettings } from '../../packages/factory/src/serve/llama-settings.ts';
import { assetPath } from '../assets.ts';
import { allLogits } from './measure.ts';
import { decoderOf } from './read-fixture.ts';

const folder = assetPath('models/stories260K-hf');
const modelPath = assetPath('models/stories260K-f32.gguf');
const vectorFile = assetPath('vectors/stories260K_hf_reference/vectors.json');
/** In nats, for tokens that are not hopeless. */
const WITHIN = 1e-3;
const GREEDY_TOKENS = 24;

describe.skipIf(!folder || !modelPath || !vectorFile)('stories260K', () => {
  // A skipped suite is collected all the same.
  const { forward } = vectorFile
    ? (JSON.parse(readFileSync(vectorFile, 'utf8')) as { forward: { ids: number[]; greedy_ids: number[] }[] })
    : { forward: [] };
  const signal = new AbortController().signal;
  let engine: LlamaEngine;
  beforeAll(async () => {
    const wish = { modelPath: modelPath as string, contextSize: 512, threads: 1, cacheType: 'f32' as const };
    engine = await openLlamaEngine(llamaSettings(wish, { processors: 1, memory: 2 ** 30 }));
  }, 240_000);
  afterAll(() => engine.close());

  const ask = (prompt: readonly number[], over: Partial<TokenAsk['sampling']> = {}): TokenAsk => ({
    prompt,
    adapter: null,
    stopIds: [],
    format: { kind: 'text' },
    sampling: { ...GREEDY, maxTokens: GREEDY_TOKENS, seed: 1, ...over },
  });
  const tokensOf = async (one: TokenAsk) => {
    const ids: number[] = [];
    for await (const event of engine.generate(one, signal)) if (event.kind === 'token') ids.push(event.id);
    return ids;
  };

  test('greedy tokens are the reference’s, alone and side by side', async () => {
    for (const { ids, greedy_ids } of forward)
      expect([...ids, ...(await tokensOf(ask(ids)))]).toEqual(greedy_ids);
    const together = await Promise.all(forward.map(({ ids }) => tokensOf(ask(ids))));
    forward.forEach(({ ids, greedy_ids }, i) => {
      expect([...ids, ...together[i]]).toEqual(greedy_ids);
    });
  });

  test('log-probabilities are our own engine’s', async () => {
    const backend = await openBackend('cpu', { threads: 1 });
    const decoder = await decoderOf(backend, folder as string);
    const rows = forward.map(({ ids }) => ids);
    const logits = await allLogits(decoder, rows);
    let worst = 0;
    for (const [r, ids] of rows.entries()) {
      const scored = await engine.scoreAll(ids, null, signal);
      expect(scored).toHaveLength(ids.length);
      // The last token predicts what the text does not have.
      for (const [i, own] of logits[r].entries()) {
        const norm = logSumExp(own);
        scored[i].forEach((theirs, id) => {
          if (theirs > -12) worst = Math.max(worst, Math.abs(own[id] - norm - theirs));
        });
      }
    }
    await backend.dispose();
    expect(worst).toBeLessThan(WITHIN);
  });
});

function logSumExp(logits: ArrayLike<number>): number {
  let greatest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) greatest = Math.max(greatest, logits[i]);
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i] - greatest);
  return greatest + Math.log(sum);
}
