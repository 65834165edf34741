// Decoding over the cache equals a full forward pass, however the tokens of ragged rows are fed.
import { type Executable, openBackend } from '@tunesmith/engine';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { seededRandom } from '#factory/records/seeded-random.ts';
import type { Decoder } from './decoder.ts';
import { tinyConfig, tinyDecoder, tinyRows } from './fixtures/tiny-decoder.ts';
import { CachedDecoder } from './kv-cache.ts';
import { packBatch } from './packed-batch.ts';

const backend = await openBackend('cpu', { threads: 1 });
afterAll(() => backend.dispose());

const decoders: [string, Decoder][] = [];
for (const [name, raw] of [
  ['llama', {}],
  [
    'mistral with a window',
    { model_type: 'mistral', architectures: ['MistralForCausalLM'], sliding_window: 3 },
  ],
  ['qwen3', { model_type: 'qwen3', architectures: ['Qwen3ForCausalLM'], head_dim: 6 }],
  ['one head per group', { num_key_value_heads: 4 }],
] as const)
  decoders.push([
    name,
    await tinyDecoder(backend, {
      config: tinyConfig(raw),
      lora: { targets: ['all'], dropout: 0.5 },
      halfStorage: name === 'llama',
    }),
  ]);

/** Logits after the last token of each row, by a packed forward pass. */
async function fullLogits(decoder: Decoder, rows: readonly (readonly number[])[]): Promise<Float32Array> {
  const batch = packBatch(
    rows.map((ids) => ({ inputIds: Int32Array.from(ids), labels: new Int32Array(ids.length).fill(-100) })),
  );
  let end = 0;
  const labelIndex = Int32Array.from(rows, (ids) => {
    end += ids.length;
    return end - 1;
  });
  return decoder.head.logits(await decoder.forward({ ...batch, labelIndex }), rows.length);
}

test.each(decoders)('%s', async (_, decoder) => {
  const vocab = decoder.config.vocabSize;
  const executables = new Map<string, Promise<Executable>>();
  await fc.assert(
    fc.asyncProperty(fc.nat(2 ** 31), async (seed) => {
      const random = seededRandom(seed);
      const count = 1 + random.int(3);
      const whole = tinyRows(
        Array.from({ length: count }, () => 1 + random.int(12)),
        seed,
      ).map((r) => [...r.inputIds]);
      const cache = new CachedDecoder(decoder, count, executables);
      const fed = whole.map(() => 0);
      while (whole.some((row, r) => fed[r] < row.length)) {
        // Some rows may get nothing, others a few tokens at once.
        const chunk = whole.map((row, r) => row.slice(fed[r], fed[r] + random.int(5)));
        if (chunk.every((c) => c.length === 0)) continue;
        const logits = await cache.append(chunk);
        chunk.forEach((c, r) => {
          fed[r] += c.length;
        });
        const started = [...whole.keys()].filter((r) => chunk[r].length > 0);
        const expected = await fullLogits(
          decoder,
          started.map((r) => whole[r].slice(0, fed[r])),
        );
        started.forEach((r, i) => {
          for (let v = 0; v < vocab; v++)
            expect(Math.abs(logits[r * vocab + v] - expected[i * vocab + v])).toBeLessThan(2e-4);
        });
      }
    }),
    { numRuns: 12 },
  );
});
