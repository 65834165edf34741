// Block expansion: LLaMA-Factory's positions, new blocks that compute nothing, and the check on what is trained.
import { openBackend } from '@tunesmith/engine';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import type { WeightSource, WeightTensor } from '#factory/records/model-config.ts';
import { buildDecoder } from './build-decoder.ts';
import { expectedTensors } from './expected-tensors.ts';
import { tinyConfig, tinyRows } from './fixtures/tiny-decoder.ts';
import { initialWeights } from './initial-weights.ts';
import { checkExpanded, expandBlocks, expandedLayers } from './llama-pro.ts';
import { packBatch } from './packed-batch.ts';

const backend = await openBackend('cpu', { threads: 1 });
afterAll(() => backend.dispose());

const RAW = { num_hidden_layers: 4, attention_bias: true, mlp_bias: true };

/** Random weights whose biases are not zero, as a trained model's. */
function source(raw: Record<string, unknown> = RAW): WeightSource {
  const weights = initialWeights(tinyConfig(raw), 1);
  return {
    ...weights,
    async read(name): Promise<WeightTensor> {
      const tensor = await weights.read(name);
      return name.endsWith('.bias') ? { ...tensor, data: tensor.data.map((_, i) => 0.1 * (i % 5)) } : tensor;
    },
  };
}

describe('the layers that are trained', () => {
  test.each([
    [32, 4, [7, 15, 23, 31]],
    [32, 2, [15, 31]],
    [40, 8, [4, 9, 14, 19, 24, 29, 34, 39]],
    [6, 6, [0, 1, 2, 3, 4, 5]],
    [5, 1, [4]],
  ])('%i layers with %i blocks: %j', (layers, blocks, expected) => {
    expect(expandedLayers(layers, blocks)).toEqual(expected);
  });

  test('a number that does not divide the layers is refused, with those that do', () => {
    expect(() => expandedLayers(32, 3)).toThrow(
      expect.objectContaining({
        code: 'ARGS_CONFLICT',
        remedy: expect.stringContaining('1, 2, 4, 8, 16, 32'),
      }),
    );
    expect(() => expandedLayers(32, 0)).toThrow(expect.objectContaining({ code: 'ARGS_CONFLICT' }));
  });

  test('are those that expansion inserts', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 5 }), (blocks, group) => {
        const config = tinyConfig({ num_hidden_layers: blocks * group });
        const { config: after, inserted } = expandBlocks(
          config,
          initialWeights(config, 1),
          blocks,
          'config.json',
        );
        expect(after.layers).toBe(blocks * (group + 1));
        expect(inserted).toEqual(expandedLayers(after.layers, blocks));
      }),
    );
  });
});

describe('an expanded model', () => {
  const logits = async (config: ReturnType<typeof tinyConfig>, weights: WeightSource) => {
    const options = { backend, config, source: weights, trained: new Set<string>(), lora: null };
    const decoder = await buildDecoder({ ...options, halfStorage: false });
    const batch = packBatch(tinyRows([9, 5]));
    return decoder.head.logits(await decoder.forward(batch), batch.targets.length);
  };

  test.each([1, 2, 4])('with %i blocks gives the same logits to the bit', async (blocks) => {
    const expanded = expandBlocks(tinyConfig(RAW), source(), blocks, 'config.json');
    expect(await logits(expanded.config, expanded.weights)).toEqual(await logits(tinyConfig(RAW), source()));
  });

  test('holds copies, with zero outputs in the new blocks', async () => {
    const base = source();
    const { weights } = expandBlocks(tinyConfig(RAW), base, 2, 'config.json');
    const values = async (from: WeightSource, name: string) => (await from.read(name)).data;
    const [old, fresh] = ['model.layers.1', 'model.layers.2'];
    for (const part of [
      'self_attn.o_proj.weight',
      'self_attn.o_proj.bias',
      'mlp.down_proj.weight',
      'mlp.down_proj.bias',
    ])
      expect((await values(weights, `${fresh}.${part}`)).every((v) => v === 0)).toBe(true);
    for (const part of ['self_attn.q_proj.weight', 'mlp.up_proj.bias', 'input_layernorm.weight'])
      expect(await values(weights, `${fresh}.${part}`)).toEqual(await values(base, `${old}.${part}`));
    expect(await values(weights, 'model.layers.4.mlp.up_proj.weight')).toEqual(
      await values(base, 'model.layers.3.mlp.up_proj.weight'),
    );
  });

  test('keeps the windows of its layers', () => {
    const raw = { model_type: 'qwen2', num_hidden_layers: 4, use_sliding_window: true, sliding_window: 6 };
    for (const pattern of [
      { max_window_layers: 2 },
      { max_window_layers: 28 },
      { layer_types: ['sliding_attention', 'full_attention', 'full_attention', 'sliding_attention'] },
    ]) {
      const config = tinyConfig({ ...raw, ...pattern });
      const { config: after } = expandBlocks(config, initialWeights(config, 1), 2, 'config.json');
      expect(after.slidingWindow).toEqual([0, 1, 1, 2, 3, 3].map((i) => config.slidingWindow[i]));
      expect(after.raw.num_hidden_layers).toBe(6);
    }
  });

  test('is refused for a number that does not divide the layers', () => {
    expect(() => expandBlocks(tinyConfig(RAW), source(), 3, 'config.json')).toThrow(
      expect.objectContaining({ code: 'ARGS_CONFLICT', message: expect.stringContaining('num_expand 3') }),
    );
  });
});

describe('the check on what is trained', () => {
  const ALL = [...expectedTensors(tinyConfig({ num_hidden_layers: 6 })).keys()];
  const expanded = () => expandBlocks(tinyConfig(RAW), source(), 2, 'config.json').weights;
  const changed = (weights: WeightSource, by: (value: number, i: number) => number): WeightSource => ({
    ...weights,
    async read(name) {
      const tensor = await weights.read(name);
      return /layers\.(2|5)\./.test(name)
        ? { ...tensor, data: (tensor.data as Float32Array).map(by) }
        : tensor;
    },
  });

  test('is content with new blocks, and with blocks that were trained', async () => {
    expect(await checkExpanded(expanded(), [2, 5], ALL)).toBeNull();
    const trained = changed(expanded(), (value, i) => value + 0.05 * Math.sin(i));
    expect(await checkExpanded(trained, [2, 5], ALL)).toBeNull();
  });

  test('refuses to train new blocks without their outputs, which are zero', async () => {
    const only = (...modules: string[]) =>
      [2, 5].flatMap((i) => modules.map((name) => `model.layers.${i}.${name}`));
    await expect(
      checkExpanded(expanded(), [2, 5], only('self_attn.q_proj', 'self_attn.v_proj')),
    ).rejects.toMatchObject({ code: 'TRAIN_NOTHING_TRAINABLE' });
    expect(await checkExpanded(expanded(), [2, 5], only('mlp.down_proj.weight'))).toBeNull();
    expect(await checkExpanded(expanded(), [2, 5], only('self_attn.o_proj'))).toBeNull();
  });

  test('names the layers of a model that was not expanded', async () => {
    expect(await checkExpanded(source(), [1, 3], ALL)).toMatch(
      /trains layers 1, 3, but layers 1, 3 do not look inserted .* tunesmith expand/,
    );
    expect(await checkExpanded(source(), [0], ALL)).toMatch(/layer 0 does not look inserted/);
    expect(await checkExpanded(expanded(), [1, 2], ALL)).toMatch(/but layer 1 does not/);
  });
});
