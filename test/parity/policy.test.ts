// GRPO and PPO compute what trl computes: losses, gradients, advantages, whitening, running moments and the steering of the
// KL coefficient, by vectors of trl's own functions.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  estimateAdvantages,
  klWeight,
  normaliseScores,
  steerKlWeight,
  tokenRewards,
  whiten,
} from '../../packages/factory/src/train/advantages.ts';
import { clippedObjective } from '../../packages/factory/src/train/clipped-policy.ts';
import type { Experience } from '../../packages/factory/src/train/experience.ts';
import {
  type GroupSettings,
  groupAdvantages,
  groupObjective,
} from '../../packages/factory/src/train/group-policy.ts';
import {
  type Memory,
  meansOf,
  type Objective,
  type Reading,
  sumOf,
} from '../../packages/factory/src/train/objective.ts';

type Rows = number[][];

interface Vectors {
  old: Rows;
  now: Rows;
  reference: Rows;
  advantages: number[];
  maxTokens: number;
  grpo: {
    name: string;
    settings: Omit<GroupSettings, 'temperature' | 'maxTokens'>;
    hasOld: boolean;
    masked: number | null;
    loss: number;
    gradient: Rows;
    clip: number | null;
    kl: number | null;
  }[];
  groups: { rewards: Rows; group: Rows; batch: Rows; none: Rows };
  ppo: {
    name: string;
    whiten: boolean;
    scores: number[];
    values: Rows;
    now: Rows;
    valuesNow: Rows;
    rewards: Rows;
    advantages: Rows;
    returns: Rows;
    kl: number;
    loss: number;
    policyLoss: number;
    valueLoss: number;
    clip: number;
    valueClip: number;
    approxKl: number;
    gradient: Rows;
    valueGradient: Rows;
  }[];
  normalised: { scores: number[]; result: number[] }[];
  steered: { kl: number; answers: number; weight: number }[];
}

const vectors = JSON.parse(
  readFileSync(new URL('./policy/vectors.json', import.meta.url), 'utf8'),
) as Vectors;

function expectNear(ours: Rows, theirs: Rows, within = 1e-6) {
  expect(ours.map((row) => row.length)).toEqual(theirs.map((row) => row.length));
  const apart = ours.flatMap((row, i) => row.map((value, t) => Math.abs(value - theirs[i][t])));
  expect(Math.max(...apart)).toBeLessThan(within);
}

const near = (ours: number, theirs: number) => expectNear([[ours]], [[theirs]]);

const experience = (old: number[], more: Partial<Experience>): Experience => ({
  prompt: [1],
  completion: old.map(() => 1),
  old,
  reference: null,
  advantages: [],
  values: null,
  returns: null,
  isMasked: false,
  ...more,
});

/** Mean loss and its gradients, as a step of one micro batch has them. */
function judged(objective: Objective<Experience>, rows: Experience[], now: Rows, values?: Rows) {
  const readings = now.map(
    (row, i): Reading => ({
      sequences: [Float64Array.from(row)],
      aside: [],
      values: values && [Float64Array.from(values[i])],
    }),
  );
  const { sum, gradients, valueGradients, metrics } = objective.judge(rows, readings, {});
  const size = rows.reduce((n, row) => n + objective.size(row), 0);
  const scaled = (parts: typeof gradients = []) =>
    parts.map(([row]) => Array.from(row, (value) => value / size));
  return {
    loss: sum / size,
    gradient: scaled(gradients),
    valueGradient: scaled(valueGradients),
    metrics: meansOf(metrics),
  };
}

describe('grpo', () => {
  test.each(vectors.grpo)('$name', ({ settings, hasOld, masked, ...theirs }) => {
    const objective = groupObjective({ ...settings, temperature: 1, maxTokens: vectors.maxTokens });
    const rows = vectors.old.map((old, i) =>
      experience(old, {
        old: hasOld ? old : null,
        reference: vectors.reference[i],
        advantages: [vectors.advantages[i]],
        isMasked: masked === i,
      }),
    );
    const ours = judged(objective, rows, vectors.now);
    near(ours.loss, theirs.loss);
    expectNear(ours.gradient, theirs.gradient);
    if (theirs.clip !== null) near(ours.metrics.clip_ratio, theirs.clip);
    if (theirs.kl !== null) near(ours.metrics.kl, theirs.kl);
  });

  test.each(['group', 'batch', 'none'] as const)('advantages over the deviation of: %s', (scale) => {
    const { advantages, deviations } = groupAdvantages(vectors.groups.rewards, scale);
    expectNear(advantages, vectors.groups[scale]);
    expect(deviations[1]).toBe(0);
  });

  test('a group of one answer teaches nothing', () => {
    expect(groupAdvantages([[3]], 'group')).toEqual({ advantages: [[0]], deviations: [0] });
  });
});

describe('ppo', () => {
  test.each(vectors.ppo)('$name', (theirs) => {
    const plain = theirs.scores.map((score, i) =>
      tokenRewards(score, vectors.old[i], vectors.reference[i], klWeight({})),
    );
    expectNear(plain, theirs.rewards);
    const rewards = theirs.whiten ? whiten(plain, 'mean') : plain;
    const estimates = rewards.map((row, i) => estimateAdvantages(row, theirs.values[i]));
    const advantages = whiten(
      estimates.map((one) => one.advantages),
      'zero',
    );
    expectNear(advantages, theirs.advantages);
    const returns = estimates.map((one) => one.returns);
    expectNear(returns, theirs.returns);
    const distances = vectors.old.map((row, i) => sumOf(row) - sumOf(vectors.reference[i]));
    near(sumOf(distances) / distances.length, theirs.kl);

    const rows = vectors.old.map((old, i) =>
      experience(old, { advantages: advantages[i], returns: returns[i], values: theirs.values[i] }),
    );
    const ours = judged(clippedObjective(), rows, theirs.now, theirs.valuesNow);
    near(ours.loss, theirs.loss);
    expectNear(ours.gradient, theirs.gradient);
    expectNear(ours.valueGradient, theirs.valueGradient);
    near(ours.metrics.clip_ratio, theirs.clip);
    near(ours.metrics.value_clip_ratio, theirs.valueClip);
    near(ours.metrics.approx_kl / theirs.approxKl, 1);
    if (theirs.loss === 0) return;
    near(ours.metrics.policy_loss, theirs.policyLoss);
    near(ours.metrics.value_loss, theirs.valueLoss);
  });

  test('scores over their running deviation', () => {
    const memory: Memory = {};
    // float32 there.
    for (const { scores, result } of vectors.normalised)
      expectNear([normaliseScores(scores, memory)], [result], 1e-5);
  });

  test('the KL coefficient follows its target', () => {
    const memory: Memory = {};
    for (const { kl, answers, weight } of vectors.steered) {
      steerKlWeight(memory, kl, 6, answers);
      near(klWeight(memory), weight);
    }
  });
});
