// Plans of public models: parameter counts as published, the GPU formula as in its source, and what must follow from what.
import { openBackend } from '@tunesmith/engine';
import { afterAll, describe, expect, test } from 'vitest';
import { parsePlanArgs } from '#factory/arguments/parse.ts';
import { parseModelConfig } from '#factory/model/config.ts';
import { KNOWN_SHAPES } from '#factory/plan/known-shapes.ts';
import { METHODS } from '#factory/plan/methods.ts';
import { shapeFromSize } from '#factory/plan/shape-from-size.ts';
import { fullBatch } from './plan-data.ts';
import { type MethodsInput, planMethod } from './plan-methods.ts';
import { largestBatches, runFacts } from './plan-run.ts';

const backend = await openBackend('reference');
afterAll(() => backend.dispose());
const argsOf = (...words: string[]) => parsePlanArgs(words, [], { readFile: () => '', env: {} }).args;
const configOf = (name: string) => parseModelConfig(KNOWN_SHAPES[name], name);
const methodOf = (id: string) => METHODS.find((m) => m.id === id) as (typeof METHODS)[number];

const input = (name: string, tokens: number, more: Partial<MethodsInput> = {}): MethodsInput => ({
  args: argsOf('--cutoff_len', String(tokens), '--per_device_train_batch_size', '1'),
  config: configOf(name),
  data: null,
  budgetBytes: 1e12,
  isGpu: false,
  probe: null,
  otherConfigs: new Map(),
  backend,
  ...more,
});

test.each([
  ['Llama-2-7B', 6_738_415_616],
  ['Llama-2-13B', 13_015_864_320],
  ['Llama-3.1-8B', 8_030_261_248],
  ['Qwen2.5-0.5B', 494_032_768],
  ['Qwen2.5-7B', 7_615_616_512],
  ['Qwen3-0.6B', 596_049_920],
  ['SmolLM2-135M', 134_515_008],
  ['TinyLlama-1.1B', 1_100_048_384],
])('%s has %d parameters', (name, parameters) => {
  const args = argsOf('--cutoff_len', '16', '--per_device_train_batch_size', '1');
  const config = configOf(name);
  const { steps } = runFacts(
    args,
    config,
    [fullBatch(args, config)],
    { dataTokens: 0, vocabulary: 0 },
    backend,
    null,
  );
  expect(steps[0].weights.parameters).toBe(parameters);
});

// Totals of the calculated table of the formula at 2,048 tokens, in GB; its rounding leaves some per cent.
test.each([
  ['Llama-2-7B', 'lora', 16.3],
  ['Llama-2-7B', 'qlora-4', 6.7],
  ['Llama-3.1-8B', 'lora', 20.9],
  ['Llama-3.1-8B', 'qlora-4', 10.6],
  ['Qwen2.5-0.5B', 'lora', 5.4],
  ['Qwen2.5-7B', 'qlora-4', 10.8],
  ['Qwen2.5-14B', 'lora', 35.6],
])('the formula for a GPU: %s by %s', (name, id, gb) => {
  const { gpuBytes } = planMethod(input(name, 2048), methodOf(id));
  expect((gpuBytes as number) / 1e9 / gb).toBeGreaterThan(0.97);
  expect((gpuBytes as number) / 1e9 / gb).toBeLessThan(1.03);
});

describe('a plan', () => {
  test('of fewer bits is smaller, of a base on the disk smaller still', () => {
    const peaks = ['lora', 'qlora-8', 'qlora-4', 'lora-streamed'].map(
      (id) => planMethod(input('Llama-2-7B', 1024), methodOf(id)).peakBytes,
    );
    expect(peaks).toEqual([...peaks].sort((a, b) => b - a));
  });

  test('under a budget keeps fewer activations, and stays within it', () => {
    const free = planMethod(input('Qwen2.5-0.5B', 1024), methodOf('lora'));
    expect(free.savedLayers).toBe(24);
    const budgetBytes = 0.85 * free.peakBytes;
    const tight = planMethod(input('Qwen2.5-0.5B', 1024, { budgetBytes }), methodOf('lora'));
    expect(tight.fits).toBe(true);
    expect(tight.peakBytes).toBeLessThanOrEqual(budgetBytes);
    expect(tight.savedLayers).toBeLessThan(24);
  });

  test('knows that a budget is too small', () => {
    const none = planMethod(input('Llama-2-7B', 1024, { budgetBytes: 2e9 }), methodOf('lora'));
    expect(none).toMatchObject({ fits: false, savedLayers: 0 });
  });

  test('counts what optimisers keep', () => {
    const bytes = (...words: string[]) =>
      planMethod(
        { ...input('Qwen2.5-0.5B', 64), args: argsOf('--cutoff_len', '64', ...words) },
        methodOf('full'),
      ).terms.optimiser;
    const p = 494_032_768;
    expect(bytes()).toBe(8 * p);
    expect(bytes('--optim', 'sgd')).toBe(0);
    expect(bytes('--optim', 'lion_32bit')).toBe(4 * p);
    expect(bytes('--optim', 'adafactor')).toBeLessThan(p / 100);
  });
});

test('the largest batches are those with the most tokens, the most scores, and the largest small one', () => {
  const lengths = [10, 10, 10, 10, 25, 2];
  const batches = [
    [0, 1, 2, 3],
    [4, 5],
  ];
  expect(largestBatches([...batches, [5]], lengths, () => 3, 5)).toEqual([
    { rows: 4, width: 10, tokens: 40, labels: 12 },
    { rows: 2, width: 25, tokens: 27, labels: 6 },
    { rows: 1, width: 2, tokens: 2, labels: 3 },
  ]);
});

test.each([
  [7e9, 32_000],
  [13e9, 32_000],
  [1e9, 151_936],
  [70e9, 128_256],
])('a shape of %d parameters', (parameters, vocabulary) => {
  const args = argsOf('--cutoff_len', '16', '--per_device_train_batch_size', '1');
  const config = parseModelConfig(shapeFromSize(parameters, vocabulary), 'size');
  const { steps } = runFacts(
    args,
    config,
    [fullBatch(args, config)],
    { dataTokens: 0, vocabulary: 0 },
    backend,
    null,
  );
  expect(Math.abs(steps[0].weights.parameters / parameters - 1)).toBeLessThan(0.06);
});
