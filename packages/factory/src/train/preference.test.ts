// Losses are those of the published formulas, their gradients those of finite differences, and the metrics TRL's.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PreferenceLoss } from '#factory/records/train-args.ts';
import { type FeedbackRow, feedbackObjective } from './feedback.ts';
import { type Memory, meansOf, type Objective, type Reading } from './objective.ts';
import { type PreferenceRow, type PreferenceSettings, preferenceObjective } from './preference.ts';
import { bcoLoss, oddsRatioLoss, pairLoss } from './preference-losses.ts';
import { rewardObjective } from './reward.ts';

// The fixed inputs of LLaMA-Factory's tests_v1/trainers/test_dpo_loss_precision.py.
const CHOSEN = [-3, -2.5, -4, -1.5];
const REJECTED = [-5, -3.5, -6, -2.5];
const REFERENCE_CHOSEN = [-2.8, -2.3, -3.8, -1.4];
const REFERENCE_REJECTED = [-3.2, -2.7, -4.2, -1.8];
const PLAIN = { beta: 0.1, labelSmoothing: 0, simpoGamma: 0.5 };

const lossesOf = (kind: PreferenceLoss, options = PLAIN) =>
  CHOSEN.map(
    (chosen, i) =>
      pairLoss(
        kind,
        { chosen, rejected: REJECTED[i] },
        { chosen: REFERENCE_CHOSEN[i], rejected: REFERENCE_REJECTED[i] },
        options,
      ).loss,
  );

describe('losses of a pair', () => {
  test.each<[PreferenceLoss, number[]]>([
    ['sigmoid', [0.6163438, 0.6635971, 0.6163438, 0.6635971]],
    ['hinge', [0.84, 0.94, 0.84, 0.94]],
    ['ipo', [11.56, 19.36, 11.56, 19.36]],
    ['orpo', [3.0121748, 2.5298768, 4.0125034, 1.5271058]],
    ['simpo', [0.8543552, 0.9130153, 0.8543552, 0.9130153]],
  ])('%s', (kind, expected) => {
    for (const [i, loss] of lossesOf(kind).entries()) expect(loss).toBeCloseTo(expected[i], 6);
  });

  test('label smoothing', () => {
    const [first, second] = lossesOf('sigmoid', { ...PLAIN, labelSmoothing: 0.1 });
    expect(first).toBeCloseTo(0.6323438, 6);
    expect(second).toBeCloseTo(0.6695971, 6);
    // Half of the labels wrong says nothing about the order.
    const half = { ...PLAIN, labelSmoothing: 0.5 };
    const swapped = (c: number, r: number) =>
      pairLoss('sigmoid', { chosen: c, rejected: r }, { chosen: -1, rejected: -1 }, half).loss;
    expect(swapped(-2, -5)).toBeCloseTo(swapped(-5, -2), 12);
  });

  test('a policy equal to its reference has the loss ln 2', () => {
    const same = { chosen: -40, rejected: -17 };
    expect(pairLoss('sigmoid', same, same, PLAIN).loss).toBeCloseTo(Math.LN2, 12);
  });

  test('are finite, with finite slopes, at the extremes', () => {
    const extremes = [-1e4, -300, -1e-12, 0];
    for (const kind of ['sigmoid', 'hinge', 'ipo', 'orpo', 'simpo'] as const)
      for (const chosen of extremes)
        for (const rejected of extremes) {
          const { loss, ...slopes } = pairLoss(
            kind,
            { chosen, rejected },
            { chosen: -9, rejected: -9 },
            PLAIN,
          );
          for (const value of [loss, ...Object.values(slopes)]) expect(value).toSatisfy(Number.isFinite);
        }
  });

  test('BCO measures each answer against the running mean, ORPO its odds', () => {
    const { loss } = bcoLoss({ chosen: 0.3, rejected: -0.2 }, 0.05, 0.1);
    expect(loss).toBeCloseTo(Math.log1p(Math.exp(-0.25)) + Math.log1p(Math.exp(-0.25)), 12);
    expect(oddsRatioLoss(-3, -5)).toBeCloseTo((3.0121748 - 3) / 0.1, 5);
  });
});

const sequence = (length: number) => ({
  inputIds: new Int32Array(length + 1),
  labels: new Int32Array(length + 1),
});
const logProbs = (length: number) =>
  fc.array(fc.double({ min: -6, max: -0.05, noNaN: true }), { minLength: length, maxLength: length });

/** One side: log-probabilities of its tokens, and their sum under the reference. */
const side = fc
  .integer({ min: 1, max: 5 })
  .chain((length) =>
    fc.record({ logProbs: logProbs(length), reference: fc.double({ min: -20, max: -0.1, noNaN: true }) }),
  );

/** d(sum)/d(log-prob) by central differences, against the gradients of the objective. */
function expectDerivatives<Row>(objective: Objective<Row>, rows: Row[], readings: Reading[], memory: Memory) {
  const sumAt = (shift: (row: number, s: number, t: number) => number) =>
    objective.judge(
      rows,
      readings.map(({ sequences, aside }, row) => ({
        sequences: sequences.map((values, s) => values.map((v, t) => v + shift(row, s, t))),
        aside,
      })),
      { ...memory },
    ).sum;
  const { gradients } = objective.judge(rows, readings, { ...memory });
  const step = 1e-5;
  for (const [row, { sequences }] of readings.entries())
    for (const [s, values] of sequences.entries())
      for (const t of values.keys()) {
        const at = (r: number, q: number, u: number) => (r === row && q === s && u === t ? step : 0);
        const slope = (sumAt(at) - sumAt((r, q, u) => -at(r, q, u))) / (2 * step);
        expect(gradients[row][s][t]).toBeCloseTo(slope, 3);
      }
}

const BASE: PreferenceSettings = { ...PLAIN, loss: 'sigmoid', ftx: 0, bcoWeight: 0, ldAlpha: null };

describe('preferenceObjective', () => {
  test.each<Partial<PreferenceSettings>>([
    { loss: 'sigmoid' },
    { loss: 'sigmoid', labelSmoothing: 0.2, ftx: 0.7 },
    { loss: 'sigmoid', ldAlpha: 0.3, ftx: 0.5 },
    { loss: 'ipo' },
    { loss: 'ipo', ldAlpha: 0.5, ftx: 1 },
    { loss: 'orpo', ftx: 0.4 },
    { loss: 'simpo' },
  ])('its gradients are those of finite differences: %o', (change) => {
    fc.assert(
      fc.property(fc.array(fc.tuple(side, side), { minLength: 1, maxLength: 3 }), (pairs) => {
        const rows = pairs.map(
          ([c, r]): PreferenceRow => ({
            chosen: sequence(c.logProbs.length),
            rejected: sequence(r.logProbs.length),
            reference: { chosen: c.reference, rejected: r.reference },
          }),
        );
        const readings = pairs.map((pair) => ({
          sequences: pair.map((s) => Float64Array.from(s.logProbs)),
          aside: [],
        }));
        expectDerivatives(preferenceObjective({ ...BASE, ...change }), rows, readings, {});
      }),
      { numRuns: 15 },
    );
  });

  const rows: PreferenceRow[] = CHOSEN.map((_, i) => ({
    chosen: sequence(1),
    rejected: sequence(2),
    reference: { chosen: REFERENCE_CHOSEN[i], rejected: REFERENCE_REJECTED[i] },
  }));
  const readings: Reading[] = CHOSEN.map((chosen, i) => ({
    sequences: [Float64Array.of(chosen), Float64Array.of(REJECTED[i] + 1, -1)],
    aside: [],
  }));

  test('metrics are means over pairs', () => {
    const means = meansOf(preferenceObjective(BASE).judge(rows, readings, {}).metrics);
    expect(means['rewards/chosen']).toBeCloseTo(0.1 * -0.175, 12);
    expect(means['rewards/rejected']).toBeCloseTo(0.1 * -1.275, 12);
    expect(means['rewards/margins']).toBeCloseTo(0.11, 12);
    expect(means['rewards/accuracies']).toBe(1);
    expect(means['logps/chosen']).toBeCloseTo(-2.75, 12);
    expect(means['logps/rejected']).toBeCloseTo(-4.25, 12);
    expect(means).not.toHaveProperty('sft_loss');
    const orpo = meansOf(preferenceObjective({ ...BASE, loss: 'orpo' }).judge(rows, readings, {}).metrics);
    expect(orpo.sft_loss).toBeCloseTo(2.75, 12);
    expect(orpo['rewards/chosen']).toBeCloseTo(-0.275, 12);
  });

  test('BCO carries the mean of the rewards of all micro batches', () => {
    const objective = preferenceObjective({ ...BASE, bcoWeight: 2 });
    const memory: Memory = {};
    const first = objective.judge(rows, readings, memory);
    const mean = (0.1 * (-0.175 - 1.275)) / 2;
    expect(memory.bco_mean).toBeCloseTo(mean, 12);
    const expected = rows.reduce((sum, _, i) => {
      const rewards = {
        chosen: 0.1 * (CHOSEN[i] - REFERENCE_CHOSEN[i]),
        rejected: 0.1 * (REJECTED[i] - REFERENCE_REJECTED[i]),
      };
      return sum + (lossesOf('sigmoid')[i] + 2 * bcoLoss(rewards, mean, 0.1).loss) / 3;
    }, 0);
    expect(first.sum).toBeCloseTo(expected, 10);
    objective.judge(rows.slice(0, 1), readings.slice(0, 1), memory);
    expect(memory.bco_mean).toBeCloseTo((mean + 0.1 * ((-0.2 - 1.8) / 2)) / 2, 12);
  });
});

describe('feedbackObjective', () => {
  const settings = { beta: 0.1, desirableWeight: 1, undesirableWeight: 1.5, ftx: 0.3 };
  const rated = fc.tuple(side, side, fc.boolean());

  test('its gradients are those of finite differences', () => {
    fc.assert(
      fc.property(fc.array(rated, { minLength: 1, maxLength: 4 }), (answers) => {
        const rows = answers.map(
          ([answer, mismatched, isDesirable]): FeedbackRow => ({
            answer: sequence(answer.logProbs.length),
            mismatched: sequence(mismatched.logProbs.length),
            isDesirable,
            reference: { answer: answer.reference, mismatched: mismatched.reference },
          }),
        );
        const readings = answers.map(([answer, mismatched]) => ({
          sequences: [Float64Array.from(answer.logProbs)],
          aside: [Float64Array.from(mismatched.logProbs)],
        }));
        expectDerivatives(feedbackObjective(settings), rows, readings, {});
      }),
      { numRuns: 30 },
    );
  });

  test('the KL term is a mean of the micro batch, and never below 0', () => {
    const row = (isDesirable: boolean): FeedbackRow => ({
      answer: sequence(1),
      mismatched: sequence(1),
      isDesirable,
      reference: { answer: -3, mismatched: -4 },
    });
    const read = (answer: number, mismatched: number) => ({
      sequences: [Float64Array.of(answer)],
      aside: [Float64Array.of(mismatched)],
    });
    const judge = (drift: number) =>
      feedbackObjective({ ...settings, ftx: 0 }).judge(
        [row(true), row(false)],
        [read(-2, -4 + drift), read(-5, -4 + 3 * drift)],
        {},
      );
    const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
    const { sum, metrics } = judge(1);
    expect(sum).toBeCloseTo(1 - sigmoid(0.1 * (1 - 2)) + 1.5 * (1 - sigmoid(0.1 * (2 + 2))), 12);
    const means = meansOf(metrics);
    expect(means.kl).toBeCloseTo(2, 12);
    expect(means['rewards/chosen']).toBeCloseTo(0.1, 12);
    expect(means['rewards/rejected']).toBeCloseTo(-0.2, 12);
    expect(means['rewards/margins']).toBeCloseTo(0.3, 12);
    expect(meansOf(judge(-1).metrics).kl).toBe(0);
  });
});

test('rewardObjective wants the chosen score above the rejected one', () => {
  const row: PreferenceRow = { chosen: sequence(1), rejected: sequence(1), reference: null };
  const read = (chosen: number, rejected: number): Reading => ({
    sequences: [Float64Array.of(chosen), Float64Array.of(rejected)],
    aside: [],
  });
  const { sum, gradients, metrics } = rewardObjective().judge([row, row], [read(1, -1), read(0, 0)], {});
  expect(sum).toBeCloseTo(Math.log1p(Math.exp(-2)) + Math.LN2, 12);
  expect(gradients[1]).toEqual([[-0.5], [0.5]]);
  expect(meansOf(metrics).accuracy).toBe(0.5);
});
