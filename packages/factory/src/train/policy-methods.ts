// In: settings of a stage. Out: GRPO and PPO as methods of policy-task.ts: how many answers a prompt gets, what they are
// worth beside one another, and in which steps they are learned from.
import { invariant } from '#factory/errors.ts';
import {
  estimateAdvantages,
  klWeight,
  normaliseScores,
  steerKlWeight,
  tokenRewards,
  whiten,
} from './advantages.ts';
import { clippedObjective } from './clipped-policy.ts';
import type { Experience } from './experience.ts';
import { type GroupSettings, groupAdvantages, groupObjective } from './group-policy.ts';
import { readLogProbs, readLogProbsAndValues } from './log-probs.ts';
import type { Metrics } from './objective.ts';
import { sumOf } from './objective.ts';
import {
  inChunks,
  meanOf,
  microBatches,
  type PolicyMethod,
  type PolicyModel,
  sequencesOf,
} from './policy-task.ts';

export interface GroupMethodSettings extends GroupSettings {
  answersPerPrompt: number;
  iterations: number;
  scale: 'group' | 'batch' | 'none';
  masksTruncated: boolean;
  microBatchSize: number;
}

export function groupMethod(settings: GroupMethodSettings): PolicyMethod {
  const { answersPerPrompt, iterations, temperature, masksTruncated } = settings;
  return {
    objective: groupObjective(settings),
    answersPerPrompt,
    stepsPerRound: iterations,
    async appraise(groups, { decoder, reference }) {
      const rewards = groups.map((group) => group.map(({ reward }) => reward));
      const { advantages, deviations } = groupAdvantages(rewards, settings.scale);
      const sequences = sequencesOf(groups.flat());
      const old =
        iterations > 1
          ? await inChunks(sequences, (part) => readLogProbs(decoder, part, 'on', temperature))
          : null;
      const before = reference && (await inChunks(sequences, reference));
      const worth = advantages.flat();
      const experience = groups.flat().map(
        ({ prompt, completion, isFinished }, i): Experience => ({
          prompt: [...prompt],
          completion,
          old: old && [...old[i]],
          reference: before && [...before[i]],
          advantages: [worth[i]],
          values: null,
          returns: null,
          isMasked: masksTruncated && !isFinished,
        }),
      );
      const still = deviations.filter((one) => one < 1e-8).length;
      const metrics: Metrics = {
        reward_std: { sum: sumOf(deviations), weight: deviations.length },
        frac_reward_zero_std: { sum: still, weight: deviations.length },
      };
      return { experience, metrics };
    },
    batches: (experience) => microBatches(experience, settings.microBatchSize),
  };
}

export interface ClippedMethodSettings {
  /** Optimiser steps' worth of answers in a round. */
  buffer: number;
  epochs: number;
  normalisesScores: boolean;
  whitensRewards: boolean;
  klTarget: number;
  microBatchSize: number;
  /** Micro batches of one step. */
  accumulation: number;
}

export function clippedMethod(settings: ClippedMethodSettings): PolicyMethod {
  const { buffer, epochs, microBatchSize, accumulation } = settings;
  return {
    objective: clippedObjective(),
    answersPerPrompt: 1,
    stepsPerRound: buffer * epochs,
    async appraise(groups, model, memory) {
      const answers = groups.flat();
      const { old, values, reference } = await readings(model, sequencesOf(answers));
      const raw = answers.map(({ reward }) => reward);
      const scores = settings.normalisesScores ? normaliseScores(raw, memory) : raw;
      const coefficient = klWeight(memory);
      const plain = scores.map((score, i) => tokenRewards(score, old[i], reference[i], coefficient));
      const rewards = settings.whitensRewards ? whiten(plain, 'mean') : plain;
      const estimates = rewards.map((row, i) => estimateAdvantages(row, values[i]));
      const advantages = whiten(
        estimates.map((one) => one.advantages),
        'zero',
      );
      const experience = answers.map(
        ({ prompt, completion }, i): Experience => ({
          prompt: [...prompt],
          completion,
          old: [...old[i]],
          reference: null,
          advantages: advantages[i],
          values: [...values[i]],
          returns: estimates[i].returns,
          isMasked: false,
        }),
      );
      const distances = old.map((row, i) => sumOf(row) - sumOf(reference[i]));
      const kl = meanOf(distances);
      steerKlWeight(memory, kl, settings.klTarget, answers.length);
      const metrics: Metrics = {
        kl: { sum: sumOf(distances), weight: distances.length },
        kl_weight: { sum: coefficient, weight: 1 },
        score: { sum: sumOf(scores), weight: scores.length },
      };
      return { experience, metrics };
    },
    batches(experience, step, key) {
      const [epoch, part] = [Math.floor(step / buffer), step % buffer];
      const all = microBatches(experience, microBatchSize, `${key}/${epoch}`);
      return all.slice(part * accumulation, (part + 1) * accumulation);
    },
  };
}

async function readings({ decoder, reference }: PolicyModel, sequences: ReturnType<typeof sequencesOf>) {
  invariant(reference !== null, 'PPO keeps near a reference');
  const read = await inChunks(sequences, async (part) => {
    const { logProbs, values } = await readLogProbsAndValues(decoder, part);
    return logProbs.map((old, i) => ({ old, values: values[i] }));
  });
  return {
    old: read.map(({ old }) => old),
    values: read.map(({ values }) => values),
    reference: await inChunks(sequences, reference),
  };
}
