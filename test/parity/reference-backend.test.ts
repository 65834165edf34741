// The float64 interpreter and ONNX Runtime give the same figures for a whole model, also with weights resting as f16.

import { join } from 'node:path';
import { type Backend, openBackend } from '@tunesmith/engine';
import { afterAll, describe, expect, test } from 'vitest';
import { greedy } from '../../packages/factory/src/model/fixtures/greedy.ts';
import { generateTokens } from '../../packages/factory/src/model/generate.ts';
import { apart, gradientsOf, tokenLosses } from './measure.ts';
import { type DecoderChoice, decoderOf, examplesOf, modelDir, readReference } from './read-fixture.ts';

const WITHIN = 1e-5;
const cpu = await openBackend('cpu', { threads: 1 });
const oracle = await openBackend('reference');
afterAll(() => Promise.all([cpu.dispose(), oracle.dispose()]));

async function expectSame(name: string, choice: DecoderChoice) {
  const run = async (backend: Backend) =>
    gradientsOf(
      await decoderOf(backend, modelDir(name), choice),
      [examplesOf(readReference(name))],
      'recompute',
    );
  const ours = await run(cpu);
  const exact = await run(oracle);
  expect(apart([ours.loss], [exact.loss])).toBeLessThan(WITHIN);
  expect([...ours.gradients.keys()]).toEqual([...exact.gradients.keys()]);
  for (const [key, gradient] of exact.gradients)
    expect(apart(ours.gradients.get(key) as Float32Array, gradient), key).toBeLessThan(WITHIN);
}

describe('the reference backend', () => {
  test('agrees on the loss and the gradients of an adapter', async () => {
    await expectSame('qwen2-window', { adapter: join(modelDir('qwen2-window'), 'adapter') });
  });

  test('agrees on the loss and the gradients of all parameters', async () => {
    await expectSame('qwen3', { trained: 'all' });
  });

  test('agrees on greedy decoding', async () => {
    const { prompt, full } = readReference('mistral').greedy;
    const decoder = await decoderOf(oracle, modelDir('mistral'));
    const [{ ids }] = await generateTokens(decoder, [prompt], greedy(4));
    expect(ids).toEqual(full.cached.slice(0, 4));
  });
});

describe('weights that rest as f16', () => {
  const name = 'llama-sharded-bf16';
  const adapter = join(modelDir(name), 'adapter');

  test.each([
    ['cpu', cpu],
    ['reference', oracle],
  ])('give the loss of the bf16 checkpoint on %s', async (_, backend) => {
    const decoder = await decoderOf(backend, modelDir(name));
    const dtypes = [...decoder.weights].map(
      ([key, { dtype }]) => `${/norm/.test(key) ? 'norm' : 'matrix'} ${dtype}`,
    );
    expect([...new Set(dtypes)].sort()).toEqual(['matrix f16', 'norm f32']);
    const { batch, full } = readReference(name);
    const nll = await tokenLosses(decoder, batch.input_ids);
    expect(apart(nll.flat(), full.nll.flat())).toBeLessThan(1e-4);
  });

  test('agree between the backends', () => expectSame(name, { adapter }));

  test('keep a float32 checkpoint within f16 rounding', async () => {
    const decoder = await decoderOf(cpu, modelDir('llama'), { halfStorage: true });
    expect(decoder.weights.get('lm_head.weight')?.dtype).toBe('f16');
    expect(decoder.weights.get('model.norm.weight')?.dtype).toBe('f32');
    const { batch, full } = readReference('llama');
    const nll = await tokenLosses(decoder, batch.input_ids);
    const error = apart(nll.flat(), full.nll.flat());
    expect(error).toBeLessThan(1e-3);
    // Exactly equal would mean that nothing was stored as f16.
    expect(error).toBeGreaterThan(1e-6);
  });
});
