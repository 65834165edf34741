// A quantised base trains like a float base of the dequantised weights, bit for bit; a streamed one like a resident one,
// in every dtype that a checkpoint may have.
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openBackend } from '@tunesmith/engine';
import { afterAll, describe, expect, test } from 'vitest';
import type { WeightSource } from '#factory/records/model-config.ts';
import { encodeSafetensors } from '#factory/store/safetensors-format.ts';
import { buildDecoder } from './build-decoder.ts';
import { checkTensors } from './check-tensors.ts';
import { Decoder } from './decoder.ts';
import { EMBEDDING, residentRows, rowsOnDisk } from './embedding.ts';
import { expectedTensors } from './expected-tensors.ts';
import { differentiateTiny, tinyConfig, tinyLora, tinyRows } from './fixtures/tiny-decoder.ts';
import { f32ToBf16, f32ToF16 } from './half.ts';
import { initialWeights } from './initial-weights.ts';
import { loadWeights } from './load-weights.ts';
import type { StoredWeight } from './parameter.ts';
import { parkWeights, type Quantisation } from './park-weights.ts';
import { openSafetensors } from './safetensors.ts';

const backend = await openBackend('cpu', { threads: 1 });
const dirs: string[] = [];
afterAll(async () => {
  await backend.dispose();
  for (const dir of dirs) rmSync(dir, { recursive: true });
});

const config = tinyConfig({ num_hidden_layers: 3, hidden_size: 20, head_dim: 6 });
const names = [...expectedTensors(config).keys()];
const lora = () => tinyLora(config, { targets: ['all'], dropout: 0.3 });
const rows = tinyRows([9, 4, 12, 7]);
const options = { residualBytes: 1e9, dropoutKey: 'k' };
const build = (
  source: WeightSource,
  how: { quantisation?: Quantisation; stream?: boolean; halfStorage?: boolean },
) => buildDecoder({ backend, config, source, trained: new Set(), lora: lora(), halfStorage: false, ...how });

const hows: [string, Quantisation][] = [
  ['nf4', { bits: 4, kind: 'nf4', nested: true }],
  ['fp4 with plain scales', { bits: 4, kind: 'fp4', nested: false }],
  ['8 bits', { bits: 8 }],
];

describe.each(hows)('%s', (_, quantisation) => {
  const source = initialWeights(config, 5);

  test('losses and gradients are those of a float base of the dequantised weights', async () => {
    const isTrained = () => false;
    const parked = await parkWeights(source, names, {
      quantisation,
      stream: false,
      isTrained,
      halfStorage: false,
    });
    const weights = new Map<string, StoredWeight>();
    let apart = 0;
    for (const name of names) {
      const { shape, data } = await source.read(name);
      const values = (data as Float32Array).slice();
      await parked.get(name)?.load(values);
      for (let i = 0; i < values.length; i++)
        apart = Math.max(apart, Math.abs(values[i] - (data as Float32Array)[i]));
      weights.set(name, { shape, dtype: 'f32', data: values });
    }
    // Every linear layer, and nothing else.
    expect([...parked.keys()]).toEqual(names.filter((name) => name.includes('_proj.')));
    expect(apart).toBeGreaterThan(1e-3);
    const float = new Decoder({ backend, config, weights, lora: lora(), trained: new Set() });
    const expected = await differentiateTiny(float, rows, options);
    expect(await differentiateTiny(await build(source, { quantisation }), rows, options)).toEqual(expected);
  });

  test('a NaN is refused by name and place', async () => {
    const name = 'model.layers.1.mlp.up_proj.weight';
    const spoilt: WeightSource = {
      ...source,
      async read(asked) {
        const tensor = await source.read(asked);
        if (asked === name) tensor.data[101] = Number.NaN;
        return tensor;
      },
    };
    await expect(build(spoilt, { quantisation })).rejects.toMatchObject({
      code: 'MODEL_BAD_FILE',
      message: `tensor ${name}: element 101 is NaN, expected a finite number`,
    });
  });
});

/** The tiny model as a file of this dtype; one matrix of it holds a value that float16 does not, or the embedding too. */
async function fileOf(dtype: 'F32' | 'F16' | 'BF16', wideEmbedding = false) {
  const dir = mkdtempSync(join(tmpdir(), 'stream-'));
  dirs.push(dir);
  const tensors = [];
  for (const name of names) {
    const { shape, data } = await initialWeights(config, 5).read(name);
    const isWide = name === 'model.layers.1.mlp.up_proj.weight' || (name === EMBEDDING && wideEmbedding);
    if (dtype === 'BF16' && isWide) data[7] = 1e6;
    const stored = { F32: (v: Float32Array) => v, F16: f32ToF16, BF16: f32ToBf16 }[dtype](
      data as Float32Array,
    );
    tensors.push({ name, dtype, shape, data: stored });
  }
  const file = join(dir, 'model.safetensors');
  for (const [i, part] of encodeSafetensors(tensors).entries())
    writeFileSync(file, part as Uint8Array, { flag: i === 0 ? 'w' : 'a' });
  return { file, source: checkTensors(await openSafetensors(dir), config).weights };
}

describe('a streamed base', () => {
  test.each([
    ['F32', false],
    ['F32', true],
    ['F16', true],
    ['BF16', true],
  ] as const)(
    'of %s, stored in 16 bits: %s, gives the bits of a resident one',
    async (dtype, halfStorage) => {
      const { source } = await fileOf(dtype);
      const resident = await build(source, { halfStorage });
      const streamed = await build(source, { halfStorage, stream: true });
      const isParked = (name: string) => name.includes('_proj.') || name === EMBEDDING;
      expect([...streamed.weights.keys()]).toEqual(names.filter((name) => !isParked(name)));
      expect(streamed.readsBase).toBe(true);
      for (const batch of [rows, tinyRows([3, 5], 'second')]) {
        const expected = await differentiateTiny(resident, batch, options);
        expect(await differentiateTiny(streamed, batch, options)).toEqual(expected);
      }
      await source.close();
    },
  );

  test('has the rows of an embedding that is float32 for one value', async () => {
    const { source } = await fileOf('BF16', true);
    const ids = Int32Array.of(39, 0, 7, 7);
    const read = await rowsOnDisk(source, { isTrained: () => false, halfStorage: true });
    const whole = await loadWeights(source, [EMBEDDING], { isTrained: () => false, halfStorage: true });
    const resident = whole.get(EMBEDDING) as StoredWeight;
    expect(resident.dtype).toBe('f32');
    expect(await read?.(ids)).toEqual(await residentRows(resident)(ids));
    await source.close();
  });

  test('a file that is cut short while it is read is a typed error', async () => {
    const { file, source } = await fileOf('F16');
    const streamed = await build(source, { stream: true });
    truncateSync(file, 3000);
    await expect(differentiateTiny(streamed, rows, options)).rejects.toMatchObject({
      code: 'MODEL_BAD_FILE',
    });
    await source.close();
  });
});
