// Policy objectives have the gradient of their loss through a whole model, at any temperature and through the value head;
// answers are the same whatever is written beside them.
import { openBackend } from '@tunesmith/engine';
import { afterAll, describe, expect, test } from 'vitest';
import type { Decoder } from '#factory/model/decoder.ts';
import { tinyDecoder, tinyRows } from '#factory/model/fixtures/tiny-decoder.ts';
import { initialValueHead } from '#factory/model/value-head.ts';
import { IGNORE_INDEX } from '#factory/records/encoded.ts';
import { clippedObjective } from './clipped-policy.ts';
import type { Experience } from './experience.ts';
import { groupObjective } from './group-policy.ts';
import { readLogProbs } from './log-probs.ts';
import type { Objective } from './objective.ts';
import { objectiveTask } from './objective-step.ts';
import { writeAnswers } from './write-answers.ts';

const backend = await openBackend('cpu', { threads: 1 });
afterAll(() => backend.dispose());
const lora = { targets: ['all'], dropout: 0 };

/** Rows as answers, with numbers of old that are a little off. */
function answers(count: number, fill: (tokens: number, row: number) => Partial<Experience>): Experience[] {
  return tinyRows([9, 7, 12].slice(0, count), 'answers').map(({ inputIds, labels }, row) => {
    const from = labels.findIndex((label) => label !== IGNORE_INDEX);
    const completion = [...inputIds.subarray(from)];
    return {
      prompt: [...inputIds.subarray(0, from)],
      completion,
      old: null,
      reference: null,
      advantages: [1],
      values: null,
      returns: null,
      isMasked: false,
      ...fill(completion.length, row),
    };
  });
}

const wave = (tokens: number, scale: number, shift = 0) =>
  Array.from({ length: tokens }, (_, t) => shift + scale * Math.sin(3 * t + 1));

async function expectGradient(decoder: Decoder, objective: Objective<Experience>, rows: Experience[]) {
  const task = objectiveTask(objective);
  const options = { residualBytes: 2 ** 40, dropoutKey: '1/0' };
  const { loss } = await task.step(decoder, [rows], options, {});
  const gradients = decoder.parameters.map((p) => p.gradient.slice());
  const lossOf = async () => {
    const plain = { batchSize: rows.length, wantAccuracy: false, clock: () => 0 };
    return (await task.evaluate(decoder, { name: '', rows }, plain, {})).eval_loss;
  };
  expect(await lossOf()).toBeCloseTo(loss, 6);
  const size = Math.hypot(...gradients.flatMap((g) => [...g]));
  expect(size).toBeGreaterThan(1e-3);
  const move = (by: number) => {
    decoder.parameters.forEach(({ value }, i) => {
      for (let j = 0; j < value.length; j++) value[j] += (by * gradients[i][j]) / size;
    });
    decoder.parametersChanged();
  };
  const step = 1e-3;
  move(step);
  const above = await lossOf();
  move(-2 * step);
  const below = await lossOf();
  expect((above - below) / (2 * step) / size).toBeCloseTo(1, 2);
}

describe('gradients', () => {
  test.each([1, 0.7])('grpo at temperature %d', async (temperature) => {
    const decoder = await tinyDecoder(backend, { lora });
    const rows = answers(3, (tokens, row) => ({ advantages: [1 - row], reference: wave(tokens, 0.5, -3) }));
    const sequences = tinyRows([9, 7, 12], 'answers');
    const now = await readLogProbs(decoder, sequences, 'on', temperature);
    for (const [i, row] of rows.entries()) row.old = [...now[i]].map((value, t) => value + 0.1 * Math.sin(t));
    const settings = { loss: 'grpo', beta: 0.1, low: 0.2, high: 0.2, level: 'token', maxTokens: 8 } as const;
    await expectGradient(decoder, groupObjective({ ...settings, temperature }), rows);
  });

  test('ppo, also by the value head', async () => {
    const decoder = await tinyDecoder(backend, { lora, valueHead: initialValueHead(16, 3) });
    const now = await readLogProbs(decoder, tinyRows([9, 7, 12], 'answers'));
    const rows = answers(3, (tokens, row) => ({
      old: [...now[row]].map((value, t) => value + 0.1 * Math.cos(t)),
      advantages: wave(tokens, 1),
      values: wave(tokens, 3),
      returns: wave(tokens, 2, 1),
    }));
    await expectGradient(decoder, clippedObjective(), rows);
    expect(decoder.valueHead?.weight.gradient.some((value) => value !== 0)).toBe(true);
  });
});

test('an answer does not depend on the prompts beside its own, and ends with its stop id', async () => {
  const decoder = await tinyDecoder(backend);
  const sampling = {
    maxNewTokens: 12,
    stopIds: [3, 4, 5, 6],
    doSample: true,
    temperature: 1,
    topK: 0,
    topP: 1,
    repetitionPenalty: 1,
  };
  const prompts = [
    [7, 8, 9],
    [10, 11],
    [12, 13, 14, 15],
  ];
  const all = await writeAnswers(decoder, prompts, sampling, { key: 'k' });
  expect(await writeAnswers(decoder, prompts.slice(0, 2), sampling, { key: 'k' })).toEqual(all.slice(0, 2));
  expect(await writeAnswers(decoder, prompts, sampling, { key: 'other' })).not.toEqual(all);
  expect(all.some(({ isFinished }) => isFinished)).toBe(true);
  for (const { completion, isFinished } of all) {
    expect(sampling.stopIds.includes(completion.at(-1) as number)).toBe(isFinished);
    expect(completion.length).toBeLessThanOrEqual(12);
  }
});
