// Losses of tokens and their gradients equal LLaMA-Factory's formulas in PyTorch, and train the tiny decoder.
import { readFileSync } from 'node:fs';
import { openBackend } from '@tunesmith/engine';
import { afterAll, describe, expect, test } from 'vitest';
import { tinyDecoder, tinyRows } from '#factory/model/fixtures/tiny-decoder.ts';
import { OutputHead } from '#factory/model/output-head.ts';
import { packBatch } from '#factory/model/packed-batch.ts';
import { PLAIN_OPTIMIZER } from './fixtures/optimizer-args.ts';
import { makeOptimizer } from './optimizer.ts';
import {
  anchoredFineTuning,
  crossEntropy,
  dynamicFineTuning,
  entropyAdaptive,
  type TokenLoss,
} from './token-losses.ts';
import { trainStep } from './train-step.ts';

interface Vectors {
  losses: number[];
  gradient: number[];
}

interface Fixture extends Record<'cross_entropy' | 'dft' | 'eaft' | 'asft', Vectors> {
  shape: [rows: number, vocab: number, hidden: number];
  alpha: number;
  matrix: number[];
  hidden: number[];
  anchor: number[];
  targets: number[];
}

const path = new URL('../../../../test/parity/optim/token-losses.json', import.meta.url);
const fixture = JSON.parse(readFileSync(path, 'utf8')) as Fixture;
const { shape, alpha } = fixture;

const backend = await openBackend('cpu', { threads: 1 });
afterAll(() => backend.dispose());

const apart = (ours: ArrayLike<number>, theirs: readonly number[]) =>
  Math.max(...theirs.map((t, i) => Math.abs(t - ours[i]))) / Math.max(...theirs.map(Math.abs));

const LOSSES: [keyof Fixture, TokenLoss][] = [
  ['cross_entropy', crossEntropy],
  ['dft', dynamicFineTuning],
  ['eaft', entropyAdaptive(alpha)],
  ['asft', anchoredFineTuning(alpha)],
];

test.each(LOSSES)('%s', async (name, loss) => {
  const [rows, vocab, hidden] = shape;
  const head = new OutputHead(
    backend,
    { shape: [vocab, hidden], dtype: 'f32', data: Float32Array.from(fixture.matrix) },
    null,
  );
  // A model that says what the fixture says.
  const model = { head, isAdapted: true, forward: async () => Float32Array.from(fixture.anchor) };
  const batch = { ...packBatch(tinyRows([9])), targets: Int32Array.from(fixture.targets) };
  const h = Float32Array.from(fixture.hidden);
  const dh = new Float32Array(h.length);
  const losses = await (await loss(model, batch))(h, dh, 1 / rows);
  const { losses: expected, gradient } = fixture[name] as Vectors;
  expect(apart(losses, expected)).toBeLessThan(1e-5);
  expect(apart(dh, gradient)).toBeLessThan(1e-5);
});

const rows = tinyRows([6, 9, 4, 7], 'losses');
const adapted = () => tinyDecoder(backend, { lora: { targets: ['all'], dropout: 0.1 } });
const options = (step: number) => ({ residualBytes: 2 ** 40, dropoutKey: `7/${step}`, noiseAlpha: 2 });

describe.each([
  ['DFT', dynamicFineTuning],
  ['EAFT', entropyAdaptive(1)],
  ['ASFT', anchoredFineTuning(0.1)],
  ['cross-entropy', crossEntropy],
] as const)('%s with noise on embeddings', (_, loss) => {
  test('makes the labels likelier, with the same bits every time', async () => {
    const run = async () => {
      const decoder = await adapted();
      const optimizer = makeOptimizer(decoder, { ...PLAIN_OPTIMIZER, learning_rate: 0.02 });
      const probability = async () => {
        const batch = packBatch(rows);
        const { nll } = await decoder.head.evaluate(await decoder.forward(batch), batch.targets, false);
        return nll.reduce((sum, x) => sum + Math.exp(-x), 0) / nll.length;
      };
      const before = await probability();
      for (let step = 0; step < 12; step++) {
        await trainStep(decoder, [rows.slice(0, 2), rows.slice(2)], options(step), loss);
        await optimizer.step({ learningRate: 0.02, step: step + 1, gradScale: 1 });
      }
      return { gain: (await probability()) / before, values: decoder.parameters.map((p) => p.value) };
    };
    const first = await run();
    expect(first.gain).toBeGreaterThan(1.2);
    expect((await run()).values).toEqual(first.values);
  });
});

test('the distance of ASFT is zero for an adapter that says nothing', async () => {
  const decoder = await tinyDecoder(backend, { lora: { targets: ['all'], dropout: 0 } });
  for (const { name, value } of decoder.parameters) if (name.includes('lora_B')) value.fill(0);
  const quiet = { residualBytes: 2 ** 40, dropoutKey: '' };
  const near = await trainStep(decoder, [rows], quiet, anchoredFineTuning(10));
  const gradients = decoder.parameters.map((p) => p.gradient.slice());
  const plain = await trainStep(decoder, [rows], quiet, dynamicFineTuning);
  expect(near.loss).toBeCloseTo(plain.loss, 4);
  for (const [i, { gradient }] of decoder.parameters.entries())
    for (const [j, g] of gradient.entries()) expect(gradients[i][j]).toBeCloseTo(g, 4);
});

test('noise on embeddings is bounded as NEFTune bounds it, seeded, and only in training', async () => {
  const decoder = await adapted();
  const loss = async (noiseAlpha: number, dropoutKey: string) =>
    (await trainStep(decoder, [rows], { residualBytes: 2 ** 40, dropoutKey, noiseAlpha })).loss;
  const quiet = await loss(0, '1/0');
  expect(await loss(5, '1/0')).not.toBe(quiet);
  expect(await loss(5, '1/0')).toBe(await loss(5, '1/0'));
  expect(await loss(1e-4, '1/0')).toBeCloseTo(quiet, 3);
});

test.each([['all parameters', () => tinyDecoder(backend, { trained: 'all' })]])(
  'ASFT without a reference is refused: %s',
  async (_, make) => {
    const decoder = await make();
    await expect(
      trainStep(decoder, [rows], { residualBytes: 2 ** 40, dropoutKey: '' }, anchoredFineTuning(0.1)),
    ).rejects.toMatchObject({ code: 'ARGS_CONFLICT' });
  },
);
