// Every tiny model of models/ agrees with transformers and peft: logits, losses, gradients, training and decoding.

import { join } from 'node:path';
import { makeSchedule, openBackend } from '@tunesmith/engine';
import { afterAll, describe, expect, test } from 'vitest';
import { greedy } from '../../packages/factory/src/model/fixtures/greedy.ts';
import { generateTokens } from '../../packages/factory/src/model/generate.ts';
import { allLogits, apart, gradientsOf, tokenLosses, trainCurve, worstApart } from './measure.ts';
import {
  type Curve,
  decoderOf,
  examplesOf,
  type FixtureTensor,
  modelDir,
  modelNames,
  readReference,
  readTensors,
} from './read-fixture.ts';

/** Ours and theirs both round in float32; a difference in meaning is far above this. */
const EXACT = 2e-5;
/** Frozen bf16 matrices rest as f16, which rounds values below 6e-5. */
const STORED_HALF = 1e-4;

const backend = await openBackend('cpu', { threads: 1 });
afterAll(() => backend.dispose());

const asOurs = (name: string) => name.replace('base_model.model.', '');

function expectGradients(
  ours: ReadonlyMap<string, Float32Array>,
  theirs: Map<string, FixtureTensor>,
  within: number,
) {
  expect([...ours.keys()].sort()).toEqual([...theirs.keys()].map(asOurs).sort());
  for (const [name, { data }] of theirs)
    expect(apart(ours.get(asOurs(name)) as Float32Array, data), name).toBeLessThan(within);
}

function expectCurve(ours: { loss: number[]; gradNorm: number[] }, theirs: Curve, within: number) {
  expect(worstApart(ours.loss, theirs.loss), 'losses').toBeLessThan(within);
  expect(worstApart(ours.gradNorm, theirs.grad_norm), 'gradient norms').toBeLessThan(within);
}

const settingsOf = (curve: Curve) => {
  const steps = curve.grad_norm.length;
  const learningRate = makeSchedule({
    kind: 'linear',
    learningRate: 1e-3,
    warmupSteps: 0,
    totalSteps: steps,
  });
  expect(
    worstApart(
      curve.learning_rate.map((_, i) => learningRate(i)),
      curve.learning_rate,
    ),
  ).toBeLessThan(1e-7);
  return { steps, learningRate, weightDecay: 0.01, sparesNorms: true, maxGradNorm: 1 };
};

describe.each(modelNames())('%s', (name) => {
  const dir = modelDir(name);
  const adapter = join(dir, 'adapter');
  const reference = readReference(name);
  const examples = examplesOf(reference);
  const rows = reference.batch.input_ids;
  const isHalf = name.endsWith('bf16');
  const frozen = isHalf ? STORED_HALF : EXACT;
  // Their frequencies follow the longest row of the batch.
  const isDynamic = name.includes('dynamic') || name.includes('longrope');
  const longest = Math.max(...rows.map((row) => row.length));

  test('the base model gives the same logits and token losses', async () => {
    const decoder = await decoderOf(backend, dir);
    const logits = await allLogits(decoder, rows);
    reference.full.logits.forEach((row, r) => {
      row.forEach((theirs, t) => {
        expect(apart(logits[r][t], theirs), `row ${r}, position ${t}`).toBeLessThan(frozen);
      });
      expect(apart(logits[r].at(-1) as Float32Array, reference.full.last_logits[r])).toBeLessThan(frozen);
    });
    const nll = await tokenLosses(decoder, rows);
    nll.forEach((row, r) => {
      expect(worstApart(row, reference.full.nll[r]), `row ${r}`).toBeLessThan(frozen);
    });
  });

  test('rows that are packed together give what they give one by one', async () => {
    const decoder = await decoderOf(backend, dir, { adapter });
    const together = await allLogits(decoder, rows);
    for (const [r, row] of rows.entries()) {
      const [alone] = await allLogits(decoder, [row]);
      const differs = Math.max(...row.map((_, t) => apart(together[r][t], alone[t])));
      if (isDynamic && row.length < longest) expect(differs).toBeGreaterThan(1e-3);
      else expect(differs).toBeLessThan(1e-5);
    }
  });

  test('the adapter gives the same loss, logits and gradients', async () => {
    const decoder = await decoderOf(backend, dir, { adapter });
    const { loss, gradients } = await gradientsOf(decoder, [examples], 'save');
    expect(apart([loss], [reference.lora.loss])).toBeLessThan(frozen);
    expectGradients(gradients, readTensors(join(dir, 'grads_lora.safetensors')), frozen);

    const again = await gradientsOf(decoder, [examples], 'recompute');
    expect(again.loss).toBe(loss);
    expect(again.gradients).toEqual(gradients);

    if (!isDynamic) {
      const apartRows = await gradientsOf(
        decoder,
        examples.map((e) => [e]),
        'save',
      );
      expect(apart([apartRows.loss], [loss])).toBeLessThan(1e-6);
      for (const [key, gradient] of gradients)
        expect(apart(apartRows.gradients.get(key) as Float32Array, gradient), key).toBeLessThan(1e-5);
    }

    const logits = await allLogits(decoder, rows);
    const nll = await tokenLosses(decoder, rows);
    rows.forEach((_, r) => {
      expect(apart(logits[r].at(-1) as Float32Array, reference.lora.last_logits[r])).toBeLessThan(frozen);
      expect(worstApart(nll[r], reference.lora.nll[r])).toBeLessThan(frozen);
    });
  });

  test('training all parameters starts from the same loss and gradients', async () => {
    const decoder = await decoderOf(backend, dir, { trained: 'all' });
    const { loss, gradients } = await gradientsOf(decoder, [examples], 'save');
    expect(apart([loss], [reference.full.loss])).toBeLessThan(EXACT);
    expectGradients(gradients, readTensors(join(dir, 'grads_full.safetensors')), EXACT);
    const again = await gradientsOf(decoder, [examples], 'recompute');
    expect(again.loss).toBe(loss);
    expect(again.gradients).toEqual(gradients);
  });

  test('20 steps on the adapter follow the same curve to the same adapter', async () => {
    const decoder = await decoderOf(backend, dir, { adapter });
    const before = new Map(decoder.parameters.map((p) => [p.name, p.value.slice()]));
    const curve = await trainCurve(decoder, examples, settingsOf(reference.lora.curve));
    expectCurve(curve, reference.lora.curve, frozen);
    const theirs = readTensors(join(dir, 'adapter_after20.safetensors'));
    expect(theirs.size).toBe(decoder.parameters.length);
    for (const { name: own, value } of decoder.parameters) {
      const { data } = theirs.get(`base_model.model.${own}`) as FixtureTensor;
      expect(apart(value, data), own).toBeLessThan(frozen);
      const start = before.get(own) as Float32Array;
      const moved = (values: Float32Array) => values.map((v, i) => v - start[i]);
      expect(apart(moved(value), moved(data)), `change of ${own}`).toBeLessThan(isHalf ? 5e-3 : 1e-3);
    }
  });

  test('20 steps on all parameters follow the same curve', async () => {
    const decoder = await decoderOf(backend, dir, { trained: 'all' });
    const { curve } = reference.full;
    const spared = decoder.parameters.filter((p) => !p.decay).map((p) => p.name);
    expect(spared.sort()).toEqual([...curve.no_decay].sort());
    expectCurve(await trainCurve(decoder, examples, settingsOf(curve)), curve, EXACT);
  });

  test('greedy decoding over the cache gives the same tokens', async () => {
    const { prompt, full, lora } = reference.greedy;
    const base = await decoderOf(backend, dir);
    const [plain] = await generateTokens(base, [prompt], greedy(12));
    expect(plain).toEqual({ ids: full.cached, finish: 'length', stopId: null });
    const adapted = await decoderOf(backend, dir, { adapter });
    const [tuned] = await generateTokens(adapted, [prompt], greedy(12));
    expect(tuned.ids).toEqual(lora.cached);
  });
});

test('the loss of the router of a mixture of experts is that of transformers, and so are its gradients', async () => {
  const dir = modelDir('mixtral');
  const reference = readReference('mixtral');
  const balance = reference.balance as NonNullable<typeof reference.balance>;
  const decoder = await decoderOf(backend, dir, { adapter: join(dir, 'adapter') });
  for (const residuals of ['save', 'recompute'] as const) {
    const found = await gradientsOf(decoder, [examplesOf(reference)], residuals, balance.weight);
    expect(apart([found.loss], [balance.loss])).toBeLessThan(EXACT);
    expectGradients(found.gradients, readTensors(join(dir, 'grads_balance.safetensors')), EXACT);
  }
});

describe('llama', () => {
  const dir = modelDir('llama');
  const reference = readReference('llama');
  const examples = examplesOf(reference);

  test('a rank-stabilised adapter gives the same loss, logits and gradients', async () => {
    const rslora = reference.rslora as NonNullable<typeof reference.rslora>;
    const decoder = await decoderOf(backend, dir, { adapter: join(dir, 'adapter-rslora') });
    const { loss, gradients } = await gradientsOf(decoder, [examples], 'save');
    expect(apart([loss], [rslora.loss])).toBeLessThan(EXACT);
    expectGradients(gradients, readTensors(join(dir, 'grads_rslora.safetensors')), EXACT);
    const rows = reference.batch.input_ids;
    const logits = await allLogits(decoder, rows);
    const nll = await tokenLosses(decoder, rows);
    rows.forEach((_, r) => {
      expect(apart(logits[r].at(-1) as Float32Array, rslora.last_logits[r])).toBeLessThan(EXACT);
      expect(worstApart(nll[r], rslora.nll[r])).toBeLessThan(EXACT);
    });
  });

  test('training only the last layer follows the same curve and leaves the rest alone', async () => {
    const { trainable, curve } = reference.freeze as NonNullable<typeof reference.freeze>;
    const decoder = await decoderOf(backend, dir, { trained: trainable });
    expect(decoder.parameters.map((p) => p.name).sort()).toEqual([...trainable].sort());
    expectCurve(await trainCurve(decoder, examples, settingsOf(curve)), curve, EXACT);
    const untouched = await decoderOf(backend, dir);
    for (const [key, { data }] of untouched.weights) {
      const now = decoder.weights.get(key)?.data as Float32Array;
      if (trainable.includes(key)) expect(now).not.toEqual(data);
      else expect(now).toEqual(data);
    }
  });
});
