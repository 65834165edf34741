// Parked base tensors change nothing: a decoder over them gives the bits of a decoder that holds everything, in training,
// evaluation and over the cache; and scratch does not grow with layers.

import { openBackend } from '@tunesmith/engine';
import { afterAll, describe, expect, test } from 'vitest';
import { Decoder } from './decoder.ts';
import { expectedTensors } from './expected-tensors.ts';
import { greedy } from './fixtures/greedy.ts';
import { differentiateTiny, tinyConfig, tinyDecoder, tinyLora, tinyRows } from './fixtures/tiny-decoder.ts';
import { generateTokens } from './generate.ts';
import { LayerWeights } from './layer-weights.ts';
import { packBatch } from './packed-batch.ts';
import type { ParkedWeight, StoredWeight } from './parameter.ts';

const backend = await openBackend('cpu', { threads: 1 });
afterAll(() => backend.dispose());

const config = tinyConfig({ num_hidden_layers: 4 });
const lora = { targets: ['all'], dropout: 0.3 };

/** A parked weight over plain values; `tick` makes it answer later, as a disk does. */
function park({ shape, dtype, data }: StoredWeight, tick: boolean): ParkedWeight {
  const write = (into: Float32Array | Uint16Array) => into.set(data);
  return {
    shape,
    dtype,
    restBytes: data.byteLength,
    load: tick ? (into) => new Promise((done) => setImmediate(() => done(write(into)))) : write,
  };
}

async function parkedDecoder(tick: boolean): Promise<Decoder> {
  const { weights } = await tinyDecoder(backend, { config, halfStorage: true });
  const atHand = new Map(weights);
  const parked = new Map<string, ParkedWeight>();
  for (const [name, weight] of weights) {
    if (!name.startsWith('model.layers.') || weight.shape.length < 2) continue;
    atHand.delete(name);
    parked.set(name, park(weight, tick));
  }
  return new Decoder({
    backend,
    config,
    weights: atHand,
    parked,
    readsAhead: tick,
    lora: tinyLora(config, lora),
    trained: new Set(),
  });
}

describe.each([
  ['packed', false],
  ['read ahead', true],
])('a base that is %s', (_, tick) => {
  const rows = tinyRows([9, 4, 12, 7]);

  test.each([0, 1e9])(
    'gives the losses and gradients of a resident one, %i bytes of residuals',
    async (bytes) => {
      const resident = await tinyDecoder(backend, { config, lora, halfStorage: true });
      const parked = await parkedDecoder(tick);
      const options = { residualBytes: bytes, dropoutKey: 'k' };
      for (const batch of [rows, tinyRows([3, 5], 'second')]) {
        const expected = await differentiateTiny(resident, batch, options);
        expect(await differentiateTiny(parked, batch, options)).toEqual(expected);
      }
      const batch = packBatch(rows);
      expect(await parked.forward(batch)).toEqual(await resident.forward(batch));
    },
  );

  test('generates the same tokens', async () => {
    const resident = await tinyDecoder(backend, { config, lora, halfStorage: true });
    const prompts = rows.map((r) => [...r.inputIds]);
    const options = greedy(6);
    const expected = await generateTokens(resident, prompts, options);
    expect(await generateTokens(await parkedDecoder(tick), prompts, options)).toEqual(expected);
  });
});

describe('LayerWeights', () => {
  const [name, shape] = [...expectedTensors(config)].find(([n]) => n.endsWith('mlp.up_proj.weight')) as [
    string,
    number[],
  ];
  const count = shape[0] * shape[1];
  const layer = (value: number, load?: ParkedWeight['load']) => ({
    resident: new Map(),
    parked: new Map<string, ParkedWeight>([
      [name, { shape, dtype: 'f32', restBytes: 0, load: load ?? ((into) => void into.fill(value)) }],
    ]),
  });
  const valuesIn = async (feeds: Awaited<ReturnType<LayerWeights['acquire']>>) =>
    ((await feeds[name].read()) as Float32Array).slice();

  test.each([1, 2] as const)('keeps %i sets of scratch however many layers there are', async (sets) => {
    const weights = new LayerWeights(
      backend,
      Array.from({ length: 9 }, (_, i) => layer(i)),
      sets,
    );
    for (const order of [
      [0, 1, 2, 3, 4, 5, 6, 7, 8],
      [8, 7, 6, 5, 4, 3, 2, 1, 0],
      [4, 0, 4, 8],
    ]) {
      for (const [at, i] of order.entries()) {
        const values = await valuesIn(await weights.acquire(i, order[at + 1] ?? null));
        expect(values).toEqual(new Float32Array(count).fill(i));
        weights.release(i);
      }
    }
    expect(weights.scratchBytes).toBe(sets * count * 4);
  });

  test('does not load a layer again that is still there', async () => {
    let loads = 0;
    const layers = [0, 1].map((i) =>
      layer(i, (into) => {
        loads++;
        into.fill(i);
      }),
    );
    const weights = new LayerWeights(backend, layers, 1);
    for (const i of [0, 1, 1, 0]) {
      await weights.acquire(i, null);
      weights.release(i);
    }
    expect(loads).toBe(3);
  });

  test('an error comes when the layer is asked for, and a second try reads again', async () => {
    let broken = true;
    const failing = layer(1, (into) => {
      if (broken) throw new Error('disk');
      into.fill(1);
    });
    const weights = new LayerWeights(backend, [layer(0), failing], 2);
    await weights.acquire(0, 1);
    weights.release(0);
    await expect(weights.acquire(1, 0)).rejects.toThrow('disk');
    broken = false;
    expect(await valuesIn(await weights.acquire(1, 0))).toEqual(new Float32Array(count).fill(1));
  });

  test('a layer in use is never overwritten', async () => {
    const weights = new LayerWeights(backend, [layer(0), layer(1)], 1);
    await weights.acquire(0, 1);
    await expect(weights.acquire(1, null)).rejects.toThrow(/internal.*all scratch/);
    weights.release(0);
    await weights.acquire(1, null);
  });
});
