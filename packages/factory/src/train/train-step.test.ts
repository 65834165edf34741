// A step's loss is a mean over the labels of all its micro batches, however they are cut.
import { openBackend } from '@tunesmith/engine';
import { afterAll, describe, expect, test } from 'vitest';
import { tinyDecoder, tinyRows } from '#factory/model/fixtures/tiny-decoder.ts';
import type { EncodedExample } from '#factory/records/encoded.ts';
import { trainStep } from './train-step.ts';

const backend = await openBackend('cpu', { threads: 1 });
afterAll(() => backend.dispose());
const decoder = await tinyDecoder(backend, { lora: { targets: ['all'], dropout: 0 } });

const options = { residualBytes: 2 ** 40, dropoutKey: '1/0' };
async function step(microBatches: EncodedExample[][]) {
  const result = await trainStep(decoder, microBatches, options);
  return { result, gradients: decoder.parameters.map((p) => p.gradient.slice()) };
}

function expectClose(ours: Float32Array[], theirs: Float32Array[]) {
  ours.forEach((gradient, i) => {
    const scale = Math.max(...theirs[i].map(Math.abs));
    gradient.forEach((v, j) => {
      expect(Math.abs(v - theirs[i][j])).toBeLessThan(1e-5 * scale);
    });
  });
}

const rows = tinyRows([9, 3, 12, 6, 7]);
const unlabelled = (row: EncodedExample) => ({ ...row, labels: row.labels.map(() => -100) });

describe('trainStep', () => {
  test('gives the same loss and gradients however the batch is cut', async () => {
    const whole = await step([rows]);
    for (const cut of [[rows.slice(0, 1), rows.slice(1)], rows.map((r) => [r]), [rows.toReversed()]]) {
      const { result, gradients } = await step(cut);
      expect(result.loss).toBeCloseTo(whole.result.loss, 5);
      expect(result.tokens).toBe(37);
      expect(result.labelTokens).toBe(whole.result.labelTokens);
      expectClose(gradients, whole.gradients);
    }
  });

  test('weighs a row by its labels, not by its micro batch', async () => {
    const [long, short] = tinyRows([20, 4], 'weights');
    const alone = async (row: EncodedExample) => (await step([[row]])).result;
    const [a, b] = [await alone(long), await alone(short)];
    const both = (await step([[long], [short]])).result;
    const mean = (a.loss * a.labelTokens + b.loss * b.labelTokens) / (a.labelTokens + b.labelTokens);
    expect(both.loss).toBeCloseTo(mean, 5);
  });

  test('starts from no gradient', async () => {
    const first = await step([rows]);
    expect((await step([rows])).gradients).toEqual(first.gradients);
  });

  test('a micro batch without labels counts its tokens and changes nothing', async () => {
    const plain = await step([rows]);
    const { result, gradients } = await step([rows, [unlabelled(rows[0])]]);
    expect(gradients).toEqual(plain.gradients);
    expect(result).toEqual({ ...plain.result, tokens: plain.result.tokens + 9 });
  });

  test('a step without any label has loss 0 and no gradient', async () => {
    const { result, gradients } = await step([rows.map(unlabelled)]);
    expect(result).toEqual({ loss: 0, tokens: 37, labelTokens: 0 });
    expect(gradients.every((g) => g.every((v) => v === 0))).toBe(true);
  });

  test('micro batches have dropout masks of their own, named by the step', async () => {
    const dropped = await tinyDecoder(backend, { lora: { targets: ['all'], dropout: 0.5 } });
    const lossOf = async (micro: EncodedExample[][], dropoutKey: string) =>
      (await trainStep(dropped, micro, { ...options, dropoutKey })).loss;
    const one = await lossOf([[rows[0]]], '1/0');
    expect(await lossOf([[rows[0]]], '1/0')).toBe(one);
    expect(await lossOf([[rows[0]]], '1/1')).not.toBe(one);
    // Were the masks the same, the mean of two equal micro batches would be the loss of one.
    expect(Math.abs((await lossOf([[rows[0]], [rows[0]]], '1/0')) - one)).toBeGreaterThan(1e-4);
  });
});
