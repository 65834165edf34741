// Layers with experts train under every way in which a base can rest, and give everything back.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openBackend } from '@tunesmith/engine';
import { afterAll, describe, expect, test } from 'vitest';
import { writeAtomic } from '#factory/store/atomic-file.ts';
import { encodeSafetensors } from '#factory/store/safetensors-format.ts';
import { buildDecoder } from './build-decoder.ts';
import { expectedTensors } from './expected-tensors.ts';
import { differentiateTiny, tinyConfig, tinyDecoder, tinyLora, tinyRows } from './fixtures/tiny-decoder.ts';
import { initialWeights } from './initial-weights.ts';
import { openModel } from './open-model.ts';

const backend = await openBackend('cpu', { threads: 1 });
afterAll(() => backend.dispose());

const RAW = {
  model_type: 'qwen3_moe',
  architectures: ['Qwen3MoeForCausalLM'],
  head_dim: 8,
  num_hidden_layers: 3,
  mlp_only_layers: [1],
  num_experts: 4,
  num_experts_per_tok: 2,
  moe_intermediate_size: 12,
};
const config = tinyConfig(RAW);
const rows = tinyRows([9, 14]);
const SAVE = { residualBytes: 2 ** 40, dropoutKey: 'k' };

test('config.json says which layers have experts', () => {
  expect(config.experts?.layers).toEqual([true, false, true]);
  expect(tinyConfig({ ...RAW, mlp_only_layers: [], decoder_sparse_step: 2 }).experts?.layers).toEqual([
    false,
    true,
    false,
  ]);
  expect([...expectedTensors(config).keys()].filter((n) => n.includes('experts'))).toHaveLength(2 * 4 * 3);
  for (const [key, value] of [
    ['num_experts_per_tok', 5],
    ['mlp_only_layers', 'all'],
    ['moe_intermediate_size', -1],
  ])
    expect(() => tinyConfig({ ...RAW, [key]: value })).toThrow(`${key}: expected`);
});

describe.each([
  ['all', 0.5],
  // The lowest layer then has no adapter outside of its experts.
  ['up_proj', 0],
] as const)('LoRA on %s', (target, dropout) => {
  test('keeping and recomputing residuals give the same bits', async () => {
    const decoder = await tinyDecoder(backend, { config, lora: { targets: [target], dropout } });
    const saved = await differentiateTiny(decoder, rows, SAVE);
    expect(await differentiateTiny(decoder, rows, { ...SAVE, residualBytes: 0 })).toEqual(saved);
    const touched = decoder.parameters.filter((p) => p.gradient.some((v) => v !== 0));
    expect(touched.some(({ name }) => name.includes('layers.0.mlp.experts'))).toBe(true);
  });
});

test('the gradient of one expert matrix is the slope of the loss', async () => {
  const name = 'model.layers.0.mlp.experts.1.down_proj.weight';
  const router = 'model.layers.2.mlp.gate.weight';
  const decoder = await tinyDecoder(backend, { config, trained: [name, router] });
  const { gradients } = await differentiateTiny(decoder, rows, SAVE);
  for (const [n, parameter] of decoder.parameters.entries()) {
    const at = gradients[n].reduce((best, v, i, all) => (Math.abs(v) > Math.abs(all[best]) ? i : best), 0);
    const before = parameter.value[at];
    const lossAt = async (by: number) => {
      parameter.value[at] = before + by;
      decoder.parametersChanged();
      return (await differentiateTiny(decoder, rows, SAVE)).loss;
    };
    const slope = ((await lossAt(2e-3)) - (await lossAt(-2e-3))) / 4e-3;
    parameter.value[at] = before;
    expect(Math.abs(slope / gradients[n][at] - 1)).toBeLessThan(0.01);
  }
});

const build = (extra: Partial<Parameters<typeof buildDecoder>[0]>) =>
  buildDecoder({
    backend,
    config,
    source: initialWeights(config, 5),
    trained: new Set(),
    lora: tinyLora(config, { targets: ['all'], dropout: 0 }),
    halfStorage: false,
    ...extra,
  });

test('streamed experts give the bits of resident ones; quantised ones train, with their router as it was', async () => {
  const resident = await differentiateTiny(await build({}), rows, SAVE);
  expect(await differentiateTiny(await build({ stream: true }), rows, SAVE)).toEqual(resident);
  const decoder = await build({ quantisation: { bits: 4, kind: 'nf4', nested: true } });
  expect(decoder.weights.has('model.layers.0.mlp.gate.weight')).toBe(true);
  expect(decoder.weights.has('model.layers.0.mlp.experts.0.up_proj.weight')).toBe(false);
  const { loss } = await differentiateTiny(decoder, rows, SAVE);
  expect(Math.abs(loss / resident.loss - 1)).toBeLessThan(0.2);
});

test('DoRA on experts is refused; on attention it trains', async () => {
  const dora = (targets: string[]) => {
    const lora = tinyLora(config, { targets, dropout: 0 });
    return build({ lora: lora && { ...lora, dora: true } });
  };
  await expect(dora(['all'])).rejects.toThrow('use_dora: expected adapters outside of experts');
  const { gradients } = await differentiateTiny(await dora(['q_proj']), rows, SAVE);
  expect(gradients.every((g) => g.some((v) => v !== 0))).toBe(true);
});

test('experts that are stacked in one tensor per layer are read as single matrices', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'stacked-'));
  try {
    const single = initialWeights(config, 5);
    const read = async (name: string) => (await single.read(name)).data as Float32Array;
    const tensors = [];
    for (const [name, shape] of expectedTensors(config)) {
      if (!name.includes('.experts.'))
        tensors.push({ name, dtype: 'F32' as const, shape, data: await read(name) });
    }
    for (const layer of [0, 2]) {
      const below = `model.layers.${layer}.mlp.experts`;
      const stack = async (keys: string[]) => {
        const all = [0, 1, 2, 3].flatMap((e) => keys.map((key) => read(`${below}.${e}.${key}.weight`)));
        return Float32Array.from((await Promise.all(all)).flatMap((values) => [...values]));
      };
      const gateUp = await stack(['gate_proj', 'up_proj']);
      const down = await stack(['down_proj']);
      tensors.push(
        { name: `${below}.gate_up_proj`, dtype: 'F32' as const, shape: [4, 24, 16], data: gateUp },
        { name: `${below}.down_proj`, dtype: 'F32' as const, shape: [4, 16, 12], data: down },
      );
    }
    await writeAtomic(join(dir, 'model.safetensors'), encodeSafetensors(tensors, {}));
    await writeFile(join(dir, 'config.json'), JSON.stringify(config.raw));
    const model = await openModel(dir, { cacheDir: dir, offline: true });
    const resident = await differentiateTiny(await build({}), rows, SAVE);
    for (const stream of [false, true])
      expect(await differentiateTiny(await build({ source: model.weights, stream }), rows, SAVE)).toEqual(
        resident,
      );
    await model.weights.close();
  } finally {
    await rm(dir, { recursive: true });
  }
});
