// In: prompts, how to sample, rewards and a reference as ports. Out: the task of stages grpo and ppo. The first step of a
// round writes answers, has them rewarded and keeps them as experience; it and the following steps learn from them. Formulas
// are in group-policy.ts, clipped-policy.ts and advantages.ts.
import { FactoryError } from '#factory/errors.ts';
import type { Decoder } from '#factory/model/decoder.ts';
import { shrinkGeneration } from '#factory/model/generate.ts';
import type { EncodedExample } from '#factory/records/encoded.ts';
import { seededRandom } from '#factory/records/seeded-random.ts';
import { setMetrics } from './evaluate.ts';
import { type Experience, sequenceOf } from './experience.ts';
import { deviation } from './group-policy.ts';
import { chunksOf } from './log-probs.ts';
import { addMetrics, type Memory, type Metrics, meansOf, type Objective, sumOf } from './objective.ts';
import { objectiveTask } from './objective-step.ts';
import type { TrainTask } from './task.ts';
import { type Sampling, type WrittenAnswer, writeAnswers } from './write-answers.ts';

export interface PromptRow {
  prompt: EncodedExample;
  /** Which row of the data it is, for those who reward and record. */
  index: number;
}

export interface AnsweredRow extends WrittenAnswer {
  row: PromptRow;
  /** Ids. */
  prompt: readonly number[];
}

export interface Reward {
  /** Null where a reward failed: nothing is learned from this answer. */
  total: number | null;
  /** By the name of the reward. */
  parts: Readonly<Record<string, number>>;
}

export interface PolicyPorts {
  reward(answers: readonly AnsweredRow[]): Promise<Reward[]>;
  /** Log-probabilities of the reference for the labels of each sequence; null where the stage needs none. */
  reference: ((decoder: Decoder, sequences: readonly EncodedExample[]) => Promise<Float64Array[]>) | null;
  /** Keeps answers of a round that begins with step `step`, from 1. */
  record(step: number, answers: readonly AnsweredRow[], rewards: readonly Reward[]): Promise<void>;
  /** Ends a round that has not been learned from. */
  signal: AbortSignal;
}

/** What one of the methods makes of rewarded answers. */
export interface PolicyMethod {
  objective: Objective<Experience>;
  answersPerPrompt: number;
  /** Steps that learn from the answers of one round. */
  stepsPerRound: number;
  /** Answers of each prompt that count, prompt by prompt, as experience. `memory` may change. */
  appraise(
    groups: readonly (readonly RewardedAnswer[])[],
    model: PolicyModel,
    memory: Memory,
  ): Promise<{ experience: Experience[]; metrics: Metrics }>;
  /** Micro batches of the round's step `step`, from 0; `key` names the round. */
  batches(experience: readonly Experience[], step: number, key: string): Experience[][];
}

export interface RewardedAnswer extends AnsweredRow {
  reward: number;
}

export interface PolicyModel {
  decoder: Decoder;
  reference: ((sequences: readonly EncodedExample[]) => Promise<Float64Array[]>) | null;
}

/** The run ends when so many rounds in a row have no reward at all. */
const FAILED_ROUNDS = 3;

/** Ids of one forward pass over written answers, about. */
export const CHUNK_TOKENS = 2048;

export function policyTask(
  method: PolicyMethod,
  sampling: Sampling,
  ports: PolicyPorts,
  seed: number,
): TrainTask<PromptRow> {
  const inner = objectiveTask(method.objective);
  const { reference } = ports;

  async function answer(
    decoder: Decoder,
    rows: readonly PromptRow[],
    { copies, key, signal }: { copies: number; key: string; signal?: AbortSignal },
  ) {
    const asked = rows.flatMap((row) => new Array<PromptRow>(copies).fill(row));
    const prompts = asked.map(({ prompt }) => [...prompt.inputIds]);
    // Graphs that write are not those that learn: their scratch never stands side by side.
    await decoder.shrink();
    const written = await writeAnswers(decoder, prompts, sampling, { key, signal });
    await shrinkGeneration(decoder);
    await decoder.head.shrink();
    const answers = written.map((one, i): AnsweredRow => ({ ...one, row: asked[i], prompt: prompts[i] }));
    const rewards = await ports.reward(answers);
    signal?.throwIfAborted();
    return { answers, rewards };
  }

  async function playRound(decoder: Decoder, rows: readonly PromptRow[], step: number, memory: Memory) {
    const copies = method.answersPerPrompt;
    const { answers, rewards } = await answer(decoder, rows, {
      copies,
      key: `${seed}/round/${step}`,
      signal: ports.signal,
    });
    const failed = rewards.every(({ total }) => total === null);
    // One row may be at fault, and then all answers to it are.
    if (failed && (memory.failed_rounds ?? 0) + 1 >= FAILED_ROUNDS)
      throw noReward(FAILED_ROUNDS, `step ${step + 1}`);
    memory.failed_rounds = failed ? (memory.failed_rounds ?? 0) + 1 : 0;
    await ports.record(step + 1, answers, rewards);
    const groups = rows.map((_, g) =>
      answers.slice(g * copies, (g + 1) * copies).flatMap((one, i): RewardedAnswer[] => {
        const { total } = rewards[g * copies + i];
        return total === null || one.completion.length === 0 ? [] : [{ ...one, reward: total }];
      }),
    );
    const model: PolicyModel = { decoder, reference: reference && ((s) => reference(decoder, s)) };
    const { experience, metrics } = await method.appraise(groups, model, memory);
    await decoder.shrink();
    addMetrics(metrics, summary(answers, rewards));
    return { experience, metrics };
  }

  return {
    async step(decoder, microBatches, options, memory) {
      const { step, experience } = options.run ?? { step: 0, experience: [] };
      const place = step % method.stepsPerRound;
      const metrics: Metrics = {};
      if (place === 0) {
        const round = await playRound(decoder, microBatches.flat(), step, memory);
        experience.splice(0, experience.length, ...round.experience);
        addMetrics(metrics, round.metrics);
      }
      const batches = method.batches(experience, place, `${seed}/round/${step - place}`);
      const result = await inner.step(decoder, batches, options, memory);
      addMetrics(metrics, result.metrics ?? {});
      if (place === method.stepsPerRound - 1) experience.length = 0;
      return { ...result, metrics };
    },

    async evaluate(decoder, { name, rows }, { batchSize, onProgress, clock, signal }) {
      const begun = clock();
      const metrics: Metrics = {};
      const totals: number[] = [];
      for (let at = 0; at < rows.length; at += batchSize) {
        signal?.throwIfAborted();
        // The same draws at every evaluation, so that two of them can be compared.
        const key = `${seed}/evaluation/${name}/${at}`;
        const { answers, rewards } = await answer(decoder, rows.slice(at, at + batchSize), {
          copies: 1,
          key,
          signal,
        });
        addMetrics(metrics, summary(answers, rewards));
        totals.push(...rewards.flatMap(({ total }) => (total === null ? [] : [total])));
        onProgress?.(Math.min(at + batchSize, rows.length), rows.length);
      }
      if (rows.length > 0 && totals.length === 0) throw noReward(1, 'an evaluation');
      const values = { ...meansOf(metrics), reward_std: deviation(totals) };
      return setMetrics(name, values, { rows: rows.length, batchSize, seconds: (clock() - begun) / 1000 });
    },
  };
}

function summary(answers: readonly AnsweredRow[], rewards: readonly Reward[]): Metrics {
  const metrics: Metrics = {};
  const note = (name: string, value: number) => addMetrics(metrics, { [name]: { sum: value, weight: 1 } });
  for (const [i, { total, parts }] of rewards.entries()) {
    if (total !== null) note('reward', total);
    note('reward_failures', total === null ? 1 : 0);
    for (const [name, value] of Object.entries(parts)) note(`rewards/${name}`, value);
    note('completion_length', answers[i].completion.length);
    note('completion_truncated', answers[i].isFinished ? 0 : 1);
  }
  return metrics;
}

/** Reads all sequences a few at a time; each reading gives one result per sequence. */
export async function inChunks<T>(
  sequences: readonly EncodedExample[],
  read: (part: readonly EncodedExample[]) => Promise<readonly T[]>,
): Promise<T[]> {
  const all: T[] = [];
  for (const [from, to] of chunksOf(sequences, CHUNK_TOKENS))
    all.push(...(await read(sequences.slice(from, to))));
  return all;
}

/** Answers of a round in a random order, or as they are, in micro batches of `size`. */
export function microBatches(experience: readonly Experience[], size: number, key?: string): Experience[][] {
  const rows = key === undefined ? experience : seededRandom(key).shuffle(experience);
  return Array.from({ length: Math.ceil(rows.length / size) }, (_, i) =>
    rows.slice(i * size, (i + 1) * size),
  );
}

export const sequencesOf = (answers: readonly AnsweredRow[]) =>
  answers.map(({ prompt, completion }) => sequenceOf({ prompt: [...prompt], completion }));

export const meanOf = (values: readonly number[]) => sumOf(values) / Math.max(1, values.length);

function noReward(rounds: number, where: string): FactoryError {
  return new FactoryError({
    code: 'TRAIN_REWARD_FAILED',
    message: `${where}: no reward could be had for any answer${rounds > 1 ? `, for ${rounds} rounds in a row` : ''}; the notes above say why, row by row`,
    remedy:
      'Mend the reward function or server, and start the same command again: it goes on from its checkpoint.',
  });
}
