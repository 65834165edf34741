// On a WebGPU device a decoder has the losses, gradients and answers that it has on the CPU; what crosses between host and
// device does not grow with the number of layers, and nothing stays behind.
import { type Backend, openBackend } from '@tunesmith/engine';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { trainStep } from '#factory/train/train-step.ts';
import { hasWebGpu, withDriver } from '../../../../test/webgpu-driver.ts';
import type { Decoder } from './decoder.ts';
import {
  differentiateTiny,
  type TinyOptions,
  tinyConfig,
  tinyDecoder,
  tinyRows,
} from './fixtures/tiny-decoder.ts';
import { CachedDecoder } from './kv-cache.ts';
import { packBatch } from './packed-batch.ts';

const SAVE = { residualBytes: Number.POSITIVE_INFINITY, dropoutKey: 'step' };
const RECOMPUTE = { ...SAVE, residualBytes: 0 };

let cpu: Backend;
let webgpu: Backend;

function error(actual: Float32Array, expected: Float32Array): number {
  const scale = expected.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
  return expected.reduce((m, v, i) => Math.max(m, Math.abs(v - actual[i])), 0) / (scale || 1);
}

const counts = () => ({ ...webgpu.traffic });

describe.skipIf(!hasWebGpu)(withDriver('webgpu'), () => {
  beforeAll(async () => {
    cpu = await openBackend('cpu', { threads: 1 });
    webgpu = await openBackend('webgpu');
  });
  afterAll(async () => {
    await cpu?.dispose();
    await webgpu?.dispose();
  });

  test.each<[string, TinyOptions, typeof SAVE]>([
    ['an adapter with dropout', { lora: { targets: ['all'], dropout: 0.1 } }, SAVE],
    ['an adapter, recomputed', { lora: { targets: ['q_proj', 'down_proj'], dropout: 0 } }, RECOMPUTE],
    ['an adapter over 16-bit weights', { lora: { targets: ['all'], dropout: 0 }, halfStorage: true }, SAVE],
    ['every parameter', { trained: 'all' }, SAVE],
    [
      'every parameter of a tied model',
      { trained: 'all', config: tinyConfig({ tie_word_embeddings: true }) },
      SAVE,
    ],
  ])('loss and gradients of %s', async (_, options, pass) => {
    const rows = tinyRows([9, 4, 12]);
    const [expected, actual] = [await tinyDecoder(cpu, options), await tinyDecoder(webgpu, options)];
    for (const change of [0, 0.01]) {
      // The second time round, the device must see what the host has written.
      for (const { parameters } of [expected, actual])
        for (const { value } of parameters) value.set(value.map((v, i) => v + change * Math.sin(i)));
      expected.parametersChanged();
      actual.parametersChanged();
      const want = await differentiateTiny(expected, rows, pass);
      const have = await differentiateTiny(actual, rows, pass);
      expect(Math.abs(have.loss - want.loss) / want.loss).toBeLessThan(1e-5);
      want.gradients.forEach((gradient, i) => {
        expect(error(have.gradients[i], gradient), expected.parameters[i].name).toBeLessThan(1e-4);
      });
    }
  });

  test('hidden rows, hits and cached logits', async () => {
    const options: TinyOptions = { lora: { targets: ['all'], dropout: 0 } };
    const decoders = [await tinyDecoder(cpu, options), await tinyDecoder(webgpu, options)];
    const batch = packBatch(tinyRows([9, 4]));
    const [want, have] = await Promise.all(
      decoders.map(async (d) => {
        const h = await d.forward(batch);
        const { nll, hits } = await d.head.evaluate(h, batch.targets, true);
        const cache = new CachedDecoder(d, 2);
        await cache.append([[1, 2, 3], [4]]);
        return { nll: Float32Array.from(nll), hits, logits: await cache.append([[5], [6]]) };
      }),
    );
    expect(error(have.nll, want.nll)).toBeLessThan(1e-5);
    expect(have.hits).toEqual(want.hits);
    expect(error(have.logits, want.logits)).toBeLessThan(1e-5);
  });

  async function stepCounts(decoder: Decoder, microBatches: number) {
    const rows = tinyRows([9, 4, 12]);
    const step = () =>
      trainStep(
        decoder,
        Array.from({ length: microBatches }, () => rows),
        SAVE,
      );
    await step();
    decoder.parametersChanged();
    const before = counts();
    await step();
    const after = counts();
    return { uploads: after.uploads - before.uploads, downloads: after.downloads - before.downloads };
  }

  test('a step takes one upload of adapters and one download of gradients, however many layers there are', async () => {
    for (const num_hidden_layers of [2, 4]) {
      const config = tinyConfig({ num_hidden_layers });
      const decoder = await tinyDecoder(webgpu, { config, lora: { targets: ['all'], dropout: 0 } });
      // Per micro batch up: embeddings, cos, sin, mask, slot_of, real, place, label rows twice, h and its gradient; down:
      // h, and the head's statistics.
      expect(await stepCounts(decoder, 1)).toEqual({ uploads: 11 + 1, downloads: 2 + 1 });
      expect(await stepCounts(decoder, 3)).toEqual({ uploads: 33 + 1, downloads: 6 + 1 });
    }
  });

  test('memory stays flat over 50 steps', async () => {
    const decoder = await tinyDecoder(webgpu, { lora: { targets: ['all'], dropout: 0.1 } });
    const rows = tinyRows([9, 4, 12]);
    const held = new Set<string>();
    for (let i = 0; i < 50; i++) {
      await trainStep(decoder, [rows], { ...SAVE, dropoutKey: `${i}` });
      decoder.parametersChanged();
      await decoder.forward(packBatch(rows));
      const { residentTensors, residentBytes } = webgpu.traffic;
      held.add(`${residentTensors} tensors, ${residentBytes} bytes`);
    }
    expect([...held]).toHaveLength(1);
  });
});
