// One forward and one weighted backward pass give the gradient of a loss over whole rows, however the batch is cut.
import { openBackend } from '@tunesmith/engine';
import { afterAll, describe, expect, test } from 'vitest';
import type { Decoder } from '#factory/model/decoder.ts';
import { tinyDecoder, tinyRows } from '#factory/model/fixtures/tiny-decoder.ts';
import { countLabels } from '#factory/model/packed-batch.ts';
import type { EncodedExample } from '#factory/records/encoded.ts';
import { readLogProbs } from './log-probs.ts';
import type { Objective } from './objective.ts';
import { objectiveTask } from './objective-step.ts';
import { type PreferenceRow, preferenceObjective } from './preference.ts';
import { trainStep } from './train-step.ts';

const backend = await openBackend('cpu', { threads: 1 });
afterAll(() => backend.dispose());
const options = { residualBytes: 2 ** 40, dropoutKey: '1/0' };
const copies = ({ parameters }: Decoder) => parameters.map((p) => p.gradient.slice());

function expectClose(ours: Float32Array[], theirs: Float32Array[], within = 1e-5) {
  ours.forEach((gradient, i) => {
    const scale = Math.max(...theirs[i].map(Math.abs));
    gradient.forEach((v, j) => {
      expect(Math.abs(v - theirs[i][j])).toBeLessThan(within * scale);
    });
  });
}

/** Cross-entropy as an objective: what a policy gradient is with every advantage 1. */
const likelihood: Objective<EncodedExample> = {
  reads: 'log-probs',
  sequences: (row) => [row],
  size: countLabels,
  judge: (_rows, readings) => ({
    sum: -readings.reduce((sum, { sequences: [p] }) => sum + p.reduce((a, b) => a + b, 0), 0),
    gradients: readings.map(({ sequences: [p] }) => [p.map(() => -1)]),
    metrics: {},
  }),
};

describe('objectiveTask', () => {
  test.each([{ lora: { targets: ['all'], dropout: 0.3 } }, { trained: 'all' as const }])(
    'cross-entropy as an objective is the supervised step: %o',
    async (choice) => {
      const decoder = await tinyDecoder(backend, choice);
      const micro = [tinyRows([9, 3, 12]), tinyRows([6, 7], 'more')];
      const theirs = await trainStep(decoder, micro, options);
      const gradients = copies(decoder);
      const { metrics, ...ours } = await objectiveTask(likelihood).step(decoder, micro, options, {});
      expect(metrics).toEqual({});
      expect(ours).toEqual({ ...theirs, loss: expect.closeTo(theirs.loss, 10) });
      expectClose(copies(decoder), gradients, 1e-6);
    },
  );

  test('activations get the room that a supervised step gives them', async () => {
    const decoder = await tinyDecoder(backend, { lora: { targets: ['all'], dropout: 0 } });
    const rooms: number[] = [];
    const forward = decoder.forwardTraining.bind(decoder);
    decoder.forwardTraining = (batch, own) => {
      rooms.push(own.residualBytes);
      return forward(batch, own);
    };
    const micro = [tinyRows([9, 3, 12])];
    const limited = { ...options, residualBytes: 2e5 };
    await trainStep(decoder, micro, limited);
    await objectiveTask(likelihood).step(decoder, micro, limited, {});
    expect(rooms[0]).toBeLessThan(2e5);
    expect(rooms[1]).toBe(rooms[0]);
  });

  test('a DPO step has the gradient of its loss, however the pairs are cut', async () => {
    const decoder = await tinyDecoder(backend, { lora: { targets: ['all'], dropout: 0 } });
    const sequences = tinyRows([9, 7, 12, 5, 6, 6], 'pairs');
    const reference = (await readLogProbs(decoder, sequences, 'off')).map((p) =>
      p.reduce((a, b) => a + b, 0),
    );
    const rows = [0, 2, 4].map(
      (i): PreferenceRow => ({
        chosen: sequences[i],
        rejected: sequences[i + 1],
        reference: { chosen: reference[i], rejected: reference[i + 1] },
      }),
    );
    const task = objectiveTask(
      preferenceObjective({
        loss: 'sigmoid',
        beta: 0.5,
        labelSmoothing: 0.1,
        simpoGamma: 0,
        ftx: 0.2,
        bcoWeight: 0,
        ldAlpha: null,
      }),
    );
    const whole = await task.step(decoder, [rows], options, {});
    const gradients = copies(decoder);
    const cut = await task.step(decoder, [rows.slice(0, 1), rows.slice(1)], options, {});
    expect(cut.loss).toBeCloseTo(whole.loss, 6);
    expectClose(copies(decoder), gradients);
    expect(cut.metrics?.['rewards/chosen'].weight).toBe(3);

    const lossOf = async () => {
      const options = { batchSize: 2, wantAccuracy: false, clock: () => 0 };
      const values = await task.evaluate(decoder, { name: '', rows }, options, {});
      return values.eval_loss;
    };
    expect(await lossOf()).toBeCloseTo(whole.loss, 6);
    // Along the gradient the loss falls as steeply as the gradient says.
    const size = Math.hypot(...gradients.flatMap((g) => [...g]));
    const move = (by: number) =>
      decoder.parameters.forEach(({ value }, i) => {
        for (let j = 0; j < value.length; j++) value[j] += (by * gradients[i][j]) / size;
      });
    const step = 1e-3;
    move(step);
    const above = await lossOf();
    move(-2 * step);
    const below = await lossOf();
    expect((above - below) / (2 * step) / size).toBeCloseTo(1, 2);
  });

  test('with the adapter off it is the base that speaks', async () => {
    const rows = tinyRows([9, 7]);
    const base = await tinyDecoder(backend);
    const tuned = await tinyDecoder(backend, { lora: { targets: ['all'], dropout: 0.5 } });
    expect(await readLogProbs(tuned, rows, 'off')).toEqual(await readLogProbs(base, rows));
    expect(await readLogProbs(tuned, rows, 'on')).not.toEqual(await readLogProbs(base, rows));
  });

  test('scores without a value head are refused', async () => {
    const decoder = await tinyDecoder(backend, { lora: { targets: ['all'], dropout: 0 } });
    const scores = { ...likelihood, reads: 'scores' as const };
    await expect(objectiveTask(scores).step(decoder, [tinyRows([5])], options, {})).rejects.toMatchObject({
      code: 'MODEL_BAD_FILE',
    });
  });
});
