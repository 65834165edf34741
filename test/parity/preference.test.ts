// Preference losses, KTO and reward models train as trl and LLaMA-Factory's definitions do: 15-step curves of losses,
// gradient norms and metrics on a tiny model, where the reference is the same model with its adapter off.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openBackend } from '@tunesmith/engine';
import { afterAll, describe, expect, test } from 'vitest';
import type { Decoder } from '../../packages/factory/src/model/decoder.ts';
import { ValueHead } from '../../packages/factory/src/model/value-head.ts';
import type { EncodedExample } from '../../packages/factory/src/records/encoded.ts';
import type { PreferenceLoss } from '../../packages/factory/src/records/train-args.ts';
import { feedbackObjective } from '../../packages/factory/src/train/feedback.ts';
import { readLogProbs } from '../../packages/factory/src/train/log-probs.ts';
import { meansOf, type Objective, sumOf } from '../../packages/factory/src/train/objective.ts';
import { objectiveTask } from '../../packages/factory/src/train/objective-step.ts';
import { type PreferenceRow, preferenceObjective } from '../../packages/factory/src/train/preference.ts';
import { rewardObjective } from '../../packages/factory/src/train/reward.ts';
import { apart, curveOf, worstApart } from './measure.ts';
import { decoderOf, modelDir } from './read-fixture.ts';

interface Curve {
  loss: number[];
  grad_norm: number[];
  metrics: Record<string, number>[];
}

interface Fixture {
  steps: number;
  learning_rate: number;
  weight_decay: number;
  max_grad_norm: number;
  beta: number;
  rows: { prompt: number[]; first: number[]; second: number[] }[];
  tags: boolean[];
  dpo: Record<string, Curve & { options: Record<string, number | string> }>;
  kto: Record<string, Curve & { options: Record<string, number> }>;
  rm: Curve & { weight: number[]; bias: number[] };
}

const fixture = JSON.parse(
  readFileSync(new URL('./preference/curves.json', import.meta.url), 'utf8'),
) as Fixture;
const WITHIN = 1e-4;

const backend = await openBackend('cpu', { threads: 1 });
afterAll(() => backend.dispose());
const model = modelDir('llama');
const policy = (valueHead?: ValueHead) =>
  decoderOf(backend, model, { adapter: join(model, 'adapter'), valueHead });

const sequence = (prompt: number[], answer: number[]): EncodedExample => ({
  inputIds: Int32Array.from([...prompt, ...answer]),
  labels: Int32Array.from([...prompt.map(() => -100), ...answer]),
});
const pairs = fixture.rows.map(({ prompt, first, second }) => [
  sequence(prompt, first),
  sequence(prompt, second),
]);

/** Summed log-probabilities under the base, per row and side. */
async function references(decoder: Decoder) {
  const read = await readLogProbs(decoder, pairs.flat(), 'off');
  return pairs.map((_, i) => [sumOf(read[2 * i]), sumOf(read[2 * i + 1])]);
}

async function expectCurve<Row>(decoder: Decoder, objective: Objective<Row>, rows: Row[], theirs: Curve) {
  const task = objectiveTask(objective);
  const memory = {};
  const ours = await curveOf(decoder, (options) => task.step(decoder, [rows], options, memory), {
    steps: fixture.steps,
    learningRate: () => fixture.learning_rate,
    weightDecay: fixture.weight_decay,
    sparesNorms: true,
    maxGradNorm: fixture.max_grad_norm,
  });
  expect(worstApart(ours.loss.slice(0, -1), theirs.loss)).toBeLessThan(WITHIN);
  expect(worstApart(ours.gradNorm, theirs.grad_norm)).toBeLessThan(WITHIN);
  for (const name of Object.keys(theirs.metrics[0])) {
    const values = ours.each.slice(0, -1).map(({ metrics }) => meansOf(metrics ?? {})[name]);
    const wanted = theirs.metrics.map((metrics) => metrics[name]);
    expect(apart(values, wanted), name).toBeLessThan(WITHIN);
  }
}

const names = (cases: object) => Object.keys(cases);

describe('preference curves', () => {
  test.each(names(fixture.dpo))('dpo %s', async (name) => {
    const { options, ...theirs } = fixture.dpo[name];
    const decoder = await policy();
    const reference = await references(decoder);
    const rows = pairs.map(([chosen, rejected], i): PreferenceRow => {
      const [c, r] = reference[i];
      return { chosen, rejected, reference: { chosen: c, rejected: r } };
    });
    const number = (key: string) => (options[key] ?? 0) as number;
    const objective = preferenceObjective({
      loss: (options.loss ?? 'sigmoid') as PreferenceLoss,
      beta: fixture.beta,
      labelSmoothing: number('label_smoothing'),
      simpoGamma: number('gamma'),
      ftx: number('ftx'),
      bcoWeight: number('bco'),
      ldAlpha: (options.ld_alpha as number | undefined) ?? null,
    });
    await expectCurve(decoder, objective, rows, theirs);
  });

  test.each(names(fixture.kto))('kto %s', async (name) => {
    const { options, ...theirs } = fixture.kto[name];
    const decoder = await policy();
    const reference = await references(decoder);
    const rows = pairs.map(([answer, mismatched], i) => ({
      answer,
      mismatched,
      isDesirable: fixture.tags[i],
      reference: { answer: reference[i][0], mismatched: reference[i][1] },
    }));
    const objective = feedbackObjective({
      beta: fixture.beta,
      desirableWeight: options.chosen_weight ?? 1,
      undesirableWeight: options.rejected_weight ?? 1,
      ftx: options.ftx ?? 0,
    });
    await expectCurve(decoder, objective, rows, theirs);
  });

  test('reward model', async () => {
    const { weight, bias, ...theirs } = fixture.rm;
    const decoder = await policy(new ValueHead(Float32Array.from(weight), Float32Array.from(bias)));
    const rows = pairs.map(([chosen, rejected]): PreferenceRow => ({ chosen, rejected, reference: null }));
    await expectCurve(decoder, rewardObjective(), rows, theirs);
  });
});
