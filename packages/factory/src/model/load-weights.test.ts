// How tensors rest in memory: f32 where they are trained or small, f16 where that loses nothing that matters.
import { expect, test } from 'vitest';
import type { WeightSource, WeightTensor } from '#factory/records/model-config.ts';
import { f32ToBf16, f32ToF16 } from './half.ts';
import { type LoadOptions, loadWeights } from './load-weights.ts';

const dtypes = ['F32', 'F16', 'BF16'] as const;
type DType = (typeof dtypes)[number];

function tensor(name: string, dtype: DType, values: number[], shape = [1, values.length]): WeightTensor {
  const f32 = Float32Array.from(values);
  const data = dtype === 'F32' ? f32 : dtype === 'F16' ? f32ToF16(f32) : f32ToBf16(f32);
  return { name, dtype, shape, data };
}

function sourceOf(tensors: WeightTensor[]): WeightSource {
  const byName = new Map(tensors.map((t) => [t.name, t]));
  return {
    tensors: new Map(tensors.map(({ name, dtype, shape }) => [name, { dtype, shape, file: 'memory' }])),
    read: async (name) => {
      const tensor = byName.get(name) as WeightTensor;
      return { ...tensor, data: tensor.data.slice() };
    },
    close: async () => {},
  };
}

const load = (tensors: WeightTensor[], options: Partial<LoadOptions> = {}) =>
  loadWeights(
    sourceOf(tensors),
    tensors.map((t) => t.name),
    { isTrained: () => false, halfStorage: false, ...options },
  );

const values = [1, -0.5, 0.25, 3];

test.each([
  ['F32', false, 'f32'],
  ['F32', true, 'f16'],
  ['F16', false, 'f16'],
  ['BF16', false, 'f16'],
] as const)('a frozen %s matrix with halfStorage %s rests as %s', async (dtype, halfStorage, expected) => {
  const weight = (await load([tensor('w', dtype, values)], { halfStorage })).get('w');
  expect(weight?.dtype).toBe(expected);
  const data = expected === 'f32' ? Float32Array.from(values) : f32ToF16(Float32Array.from(values));
  expect(weight?.data).toEqual(data);
  expect(weight?.shape).toEqual([1, 4]);
});

test.each(dtypes)('trained matrices and vectors of %s are f32', async (dtype) => {
  const weights = await load([tensor('trained', dtype, values), tensor('norm', dtype, values, [4])], {
    isTrained: (name) => name === 'trained',
    halfStorage: true,
  });
  for (const { dtype: rests, data } of weights.values()) {
    expect(rests).toBe('f32');
    expect(data).toEqual(Float32Array.from(values));
  }
});

test.each(['F32', 'BF16'] as const)('a %s matrix beyond f16 stays f32, with a note', async (dtype) => {
  const notes: string[] = [];
  const weights = await load([tensor('big', dtype, [1, 2 ** 17]), tensor('small', dtype, values)], {
    halfStorage: true,
    onNote: (text) => notes.push(text),
  });
  expect(weights.get('big')).toEqual({ shape: [1, 2], dtype: 'f32', data: Float32Array.of(1, 2 ** 17) });
  expect(weights.get('small')?.dtype).toBe('f16');
  expect(notes).toHaveLength(1);
  expect(notes[0]).toContain('big');
});

const cases = dtypes.flatMap((dtype) =>
  [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].flatMap((bad) =>
    (['frozen', 'frozen half', 'trained', 'vector', 'beside overflow'] as const).map(
      (kind) => [kind, dtype, bad] as const,
    ),
  ),
);
test.each(cases)('a %s %s tensor with %d is refused', async (kind, dtype, bad) => {
  const big = kind === 'beside overflow' && dtype !== 'F16' ? 2 ** 17 : 2;
  const bytes = tensor('model.w', dtype, [1, big, bad, 3], kind === 'vector' ? [4] : [2, 2]);
  const loading = load([bytes], {
    isTrained: () => kind === 'trained',
    halfStorage: kind !== 'frozen',
  });
  await expect(loading).rejects.toMatchObject({
    code: 'MODEL_BAD_FILE',
    message: `tensor model.w: element 2 is ${bad}, expected a finite number`,
  });
});

test('an edit changes the matrices that it takes, as f32, and no others', async () => {
  const original = tensor('a', 'BF16', values);
  const before = original.data.slice();
  const weights = await load([original, tensor('b', 'BF16', values)], {
    edit(name, matrix) {
      if (name !== 'a') return false;
      matrix[0] += 2 ** -20;
      return true;
    },
  });
  expect(weights.get('a')).toMatchObject({
    dtype: 'f32',
    data: Float32Array.of(1 + 2 ** -20, -0.5, 0.25, 3),
  });
  expect(weights.get('b')?.dtype).toBe('f16');
  expect(original.data).toEqual(before);
});

test('progress counts tensors to the end', async () => {
  const seen: number[][] = [];
  await load([tensor('a', 'F32', values), tensor('b', 'F32', values)], {
    onProgress: (done, total) => seen.push([done, total]),
  });
  expect(seen).toEqual([
    [1, 2],
    [2, 2],
  ]);
});
