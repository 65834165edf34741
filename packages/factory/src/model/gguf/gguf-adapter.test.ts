// Adapters are those of llama.cpp's own converter, tensor by tensor (test/parity/gguf); scales that it cannot write are in B.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { LoraAdapter, LoraPair } from '#factory/records/adapter.ts';
import type { ModelConfig } from '#factory/records/model-config.ts';
import { readFloatTensors } from '#factory/store/float-tensors.ts';
import { parseModelConfig } from '../config.ts';
import { ggufAdapterFields, ggufAdapterTensors } from './gguf-adapter.ts';

interface Reference {
  metadata: Record<string, unknown>;
  tensors: Record<string, [number[], string]>;
}

const parity = new URL('../../../../../test/parity/', import.meta.url);
const references = JSON.parse(readFileSync(new URL('gguf/adapters.json', parity), 'utf8')) as Record<
  string,
  Reference
>;

/** The pairs of a PEFT folder, read here on its own. */
async function readFixture(name: string): Promise<{ adapter: LoraAdapter; config: ModelConfig }> {
  const folder = new URL(`models/${name}/`, parity);
  const json = (file: string) => JSON.parse(readFileSync(new URL(file, folder), 'utf8'));
  const { r: rank, lora_alpha: alpha } = json('adapter/adapter_config.json');
  const path = new URL('adapter/adapter_model.safetensors', folder).pathname;
  const tensors = await readFloatTensors(path, { code: 'ADAPTERS_BAD_FILE', remedy: 'x' });
  const pairs: LoraPair[] = [];
  for (const [key, { shape, data }] of tensors) {
    const [, module] = /^base_model\.model\.(.+)\.lora_A\.weight$/.exec(key) ?? [];
    if (!module) continue;
    const b = tensors.get(key.replace('lora_A', 'lora_B'))!;
    const sizes = { rank: shape[0], inFeatures: shape[1], outFeatures: b.shape[0] };
    pairs.push({ module, ...sizes, a: data, b: b.data });
  }
  const settings = { rank, alpha, dropout: 0, useRslora: false, targetModules: [], baseModel: '' };
  return { adapter: { ...settings, pairs }, config: parseModelConfig(json('config.json'), 'config.json') };
}

async function bytesOf(tensor: ReturnType<typeof ggufAdapterTensors>[number]): Promise<Float32Array> {
  const pieces: Uint8Array[] = [];
  for await (const { buffer, byteOffset, byteLength } of tensor.pieces())
    pieces.push(new Uint8Array(buffer, byteOffset, byteLength));
  return new Float32Array(Uint8Array.from(Buffer.concat(pieces)).buffer);
}

test.each(Object.keys(references))('%s', async (name) => {
  const { adapter, config } = await readFixture(name);
  const fields = [...ggufAdapterFields(adapter, config)].map(([key, { value }]) => [key, value]);
  expect(Object.fromEntries(fields)).toEqual(references[name].metadata);
  const scaleOf = (pair: LoraPair) => adapter.alpha / pair.rank;
  const found: Reference['tensors'] = {};
  for (const tensor of ggufAdapterTensors(adapter, config, scaleOf, 'F32')) {
    const sum = createHash('sha256')
      .update(await bytesOf(tensor))
      .digest('hex');
    found[tensor.name] = [[...tensor.shape], `${tensor.type} ${sum.slice(0, 16)}`];
  }
  expect(found).toEqual(references[name].tensors);
});

test('rank-stabilised, with ranks of their own: the product with alpha / rank is the scale that is meant', async () => {
  const { adapter, config } = await readFixture('llama');
  const [first, ...others] = adapter.pairs;
  const half = {
    ...first,
    rank: 2,
    a: first.a.slice(0, 2 * first.inFeatures),
    b: first.b.slice(0, first.b.length / 2),
  };
  const stabilised = { ...adapter, useRslora: true, pairs: [half, ...others] };
  const alpha = ggufAdapterFields(stabilised, config).get('adapter.lora.alpha')?.value as number;
  expect(alpha).toBeCloseTo(adapter.alpha * 2, 12);
  const scaleOf = (pair: LoraPair) => adapter.alpha / Math.sqrt(pair.rank);
  const tensors = ggufAdapterTensors(stabilised, config, scaleOf, 'F32');
  const [, b] = await Promise.all(tensors.slice(0, 2).map(bytesOf));
  const largest = (values: Float32Array) => Math.max(...values.map(Math.abs));
  expect((largest(b) * alpha) / 2 / (largest(half.b) * scaleOf(half))).toBeCloseTo(1, 5);
  const [, full] = await Promise.all(tensors.slice(2, 4).map(bytesOf));
  expect((largest(full) * alpha) / 4 / (largest(others[0].b) * scaleOf(others[0]))).toBeCloseTo(1, 5);
});

test('experts without an adapter are zeros, and lower ranks are filled up', async () => {
  const { adapter, config } = await readFixture('mixtral');
  const gates = adapter.pairs.filter(({ module }) => /layers\.0\..*experts\.[12]\.w1$/.test(module));
  const [one, two] = gates;
  const low = { ...two, rank: 1, a: two.a.slice(0, two.inFeatures), b: two.b.slice(0, two.outFeatures) };
  const part = { ...adapter, pairs: [one, low] };
  const tensors = ggufAdapterTensors(part, config, (pair) => adapter.alpha / pair.rank, 'F32');
  expect(tensors.map(({ name, shape }) => [name, shape])).toEqual([
    ['blk.0.ffn_gate_exps.weight.lora_a', [4, 2, one.inFeatures]],
    ['blk.0.ffn_gate_exps.weight.lora_b', [4, one.outFeatures, 2]],
  ]);
  const [a, b] = await Promise.all(tensors.map(bytesOf));
  const expert = 2 * one.inFeatures;
  expect(a.subarray(0, expert).every((v) => v === 0)).toBe(true);
  expect(a.subarray(expert, 2 * expert)).toEqual(one.a);
  // alpha / 2 is what llama.cpp applies; alpha / 1 is meant.
  const row = (2 * one.outFeatures + 3) * 2;
  expect([...b.subarray(row, row + 2)]).toEqual([Math.fround(2 * low.b[3]), 0]);
});
