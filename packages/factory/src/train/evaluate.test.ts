// Evaluation: a mean over label tokens, an accuracy over rows, both whatever the batches.

import { openBackend } from '@tunesmith/engine';
import { afterAll, describe, expect, test } from 'vitest';
import { greedy } from '#factory/model/fixtures/greedy.ts';
import { tinyDecoder, tinyRows } from '#factory/model/fixtures/tiny-decoder.ts';
import { generateTokens } from '#factory/model/generate.ts';
import { type EvaluationOptions, evaluateRows } from './evaluate.ts';
import { trainStep } from './train-step.ts';

const backend = await openBackend('cpu', { threads: 1 });
afterAll(() => backend.dispose());
const decoder = await tinyDecoder(backend);
const rows = tinyRows([9, 3, 12, 6, 7, 1]);
const evaluate = (options: Partial<EvaluationOptions> = {}, of = rows) =>
  evaluateRows(decoder, of, { batchSize: 2, wantAccuracy: false, ...options });

describe('evaluateRows', () => {
  test('gives the training loss of the same rows, in any order and batch size', async () => {
    const { loss } = await trainStep(decoder, [rows], { residualBytes: 0, dropoutKey: '' });
    for (const batchSize of [1, 2, 4, 100])
      for (const of of [rows, rows.toReversed()]) {
        const result = await evaluate({ batchSize }, of);
        expect(result.loss).toBeCloseTo(loss, 5);
        expect(result).toMatchObject({ accuracy: null, rows: 6 });
      }
  });

  test('accuracy is the mean over rows of the share of tokens ranked first', async () => {
    const [{ ids }] = await generateTokens(decoder, [[3, 4]], greedy(8));
    const row = (tokens: number[], labels: number[]) => ({
      inputIds: Int32Array.from(tokens),
      labels: Int32Array.from(labels),
    });
    const right = row([3, 4, ...ids], [-100, -100, ...ids]);
    const wrong = ids.map((id) => (id + 1) % 40);
    // Only its first label is judged after the right prefix; the wrong one is never the best.
    const half = row([3, 4, ids[0], wrong[1]], [-100, -100, ids[0], wrong[1]]);
    const none = row([3, 4, wrong[0]], [-100, -100, wrong[0]]);
    const silent = row([3, 4], [-100, -100]);
    const accuracy = async (...of: (typeof right)[]) => (await evaluate({ wantAccuracy: true }, of)).accuracy;
    expect(await accuracy(right)).toBe(1);
    expect(await accuracy(none)).toBe(0);
    expect(await accuracy(half)).toBe(0.5);
    expect(await accuracy(right, half, none, silent)).toBe(0.5);
  });

  test('rows without labels have no loss', async () => {
    const silent = rows.map((r) => ({ ...r, labels: r.labels.map(() => -100) }));
    expect(await evaluate({}, silent)).toEqual({ loss: Number.NaN, accuracy: null, rows: 6 });
  });

  test('tells its progress to the end and stops at a signal', async () => {
    const seen: number[] = [];
    await evaluate({ batchSize: 4, onProgress: (done) => seen.push(done) });
    expect(seen).toEqual([4, 6]);
    const controller = new AbortController();
    const stopped = evaluate({ signal: controller.signal, onProgress: () => controller.abort() });
    await expect(stopped).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }));
  });
});
