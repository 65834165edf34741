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
  [
    'gemma2',
    {
      model_type: 'gemma2',
      head_dim: 6,
      query_pre_attn_scalar: 5,
      sliding_window: 3,
      attn_logit_softcapping: 3,
      final_logit_softcapping: 6,
      tie_word_embeddings: true,
    },
  ],
  ['gemma3', { model_type: 'gemma3_text', head_dim: 6, sliding_window: 3, sliding_window_pattern: 2 }],
  ['phi3', { model_type: 'phi3', partial_rotary_factor: 0.5 }],
  ['glm4', { model_type: 'glm4', head_dim: 8 }],
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

test('longrope: the cache is made anew where the longest row passes the original length', async () => {
  const rope_scaling = { type: 'longrope', short_factor: [1, 1.5], long_factor: [2, 7] };
  const config = tinyConfig({ model_type: 'phi3', original_max_position_embeddings: 6, rope_scaling });
  const decoder = await tinyDecoder(backend, { config });
  const [long, short] = tinyRows([10, 4]).map((r) => [...r.inputIds]);
  const cache = new CachedDecoder(decoder, 2);
  await cache.append([long.slice(0, 5), short.slice(0, 3)]);
  const vocab = config.vocabSize;
  const near = (ours: Float32Array, theirs: Float32Array) =>
    ours.forEach((value, i) => {
      expect(Math.abs(value - theirs[i])).toBeLessThan(2e-4);
    });
  for (const length of [6, 7, 8, 10]) {
    const from = length === 10 ? 8 : length - 1;
    const logits = await cache.append([long.slice(from, length), []]);
    near(logits.subarray(0, vocab), await fullLogits(decoder, [long.slice(0, length)]));
  }
  // The short row goes on with the long factors, as in a batch of both.
  const logits = await cache.append([[], short.slice(3)]);
  near(logits.subarray(vocab), (await fullLogits(decoder, [long, short])).subarray(vocab));
});
