// What goes to the disk comes back in the same bits, in any order, and leaves nothing behind.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openBackend } from '@tunesmith/engine';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { buildDecoder } from './build-decoder.ts';
import { differentiateTiny, tinyConfig, tinyLora, tinyRows } from './fixtures/tiny-decoder.ts';
import { initialWeights } from './initial-weights.ts';
import { packBatch } from './packed-batch.ts';
import { SpillFile } from './spill-file.ts';

const backend = await openBackend('cpu', { threads: 1 });
const dir = mkdtempSync(join(tmpdir(), 'spill-'));
afterAll(async () => {
  await backend.dispose();
  rmSync(dir, { recursive: true });
});

test('tensors come back as they were, in any order, and their places are used again', async () => {
  const sizes = fc.array(fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 4 }), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(sizes, fc.infiniteStream(fc.nat()), async (sets, order) => {
      const file = new SpillFile(backend, dir);
      try {
        for (const round of [1, 2]) {
          const waiting: { places: Awaited<ReturnType<SpillFile['put']>>; values: number[][] }[] = [];
          for (const [s, set] of sets.entries()) {
            const values = set.map((n, k) => Array.from({ length: n }, (_, i) => round + s + k + i));
            const tensors = values.map((v, k) => [
              `t${k}`,
              backend.tensor('f32', [v.length], Float32Array.from(v)),
            ]);
            waiting.push({ places: await file.put(Object.fromEntries(tensors)), values });
          }
          while (waiting.length > 0) {
            const [{ places, values }] = waiting.splice(order.next().value % waiting.length, 1);
            const { tensors, done } = await file.take(places);
            const found = await Promise.all(Object.values(tensors).map((t) => t.read()));
            expect(found.map((v) => [...v])).toEqual(values);
            done();
          }
        }
      } finally {
        file.close();
      }
    }),
    { numRuns: 20 },
  );
  expect(readdirSync(dir)).toEqual([]);
});

test('a folder that is not there is a typed error', () => {
  expect(() => new SpillFile(backend, join(dir, 'nowhere'))).toThrow(
    expect.objectContaining({ code: 'STORE_IO' }),
  );
});

const DENSE = tinyConfig({ num_hidden_layers: 3 });
const EXPERTS = tinyConfig({
  model_type: 'mixtral',
  architectures: ['MixtralForCausalLM'],
  num_hidden_layers: 3,
  num_local_experts: 3,
  num_experts_per_tok: 2,
});

describe.each([
  ['a dense model', DENSE],
  ['experts', EXPERTS],
])('%s', (_, config) => {
  test('activations on the disk give the bits of activations in memory', async () => {
    const file = new SpillFile(backend, dir);
    const build = (spill: SpillFile | null) =>
      buildDecoder({
        backend,
        config,
        source: initialWeights(config, 5),
        trained: new Set(),
        lora: tinyLora(config, { targets: ['all'], dropout: 0.3 }),
        halfStorage: false,
        spill,
      });
    const rows = tinyRows([9, 14]);
    const options = { residualBytes: 2 ** 40, dropoutKey: 'k' };
    const saved = await differentiateTiny(await build(null), rows, options);
    const decoder = await build(file);
    for (const residualBytes of [0, 20_000, 0])
      expect(await differentiateTiny(decoder, rows, { ...options, residualBytes })).toEqual(saved);
    // A pass without its way back, and one that is interrupted, leave room for the next.
    const { tape } = await decoder.forwardTraining(packBatch(rows), { ...options, residualBytes: 0 });
    decoder.release(tape);
    expect(await differentiateTiny(decoder, rows, { ...options, residualBytes: 0 })).toEqual(saved);
    file.close();
    expect(readdirSync(dir)).toEqual([]);
    await expect(differentiateTiny(decoder, rows, { ...options, residualBytes: 0 })).rejects.toThrow();
  });
});
