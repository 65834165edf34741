// In: answers with their advantages and the log-probabilities of old. Out: the objective of GRPO and its relatives (Shao et
// al. 2024; DAPO, Yu et al. 2025; Dr. GRPO, Liu et al. 2025; GSPO, Zheng et al. 2025), as TRL 0.24 defines it; and
// advantages within groups. Rewards and sampling are not here.
import { invariant } from '#factory/errors.ts';
import type { GroupLoss } from '#factory/records/train-args.ts';
import { type Experience, sequenceOf } from './experience.ts';
import { addMetrics, type Metrics, type Objective, sumOf } from './objective.ts';

export interface GroupSettings {
  loss: GroupLoss;
  /** Weight of the distance from the reference. */
  beta: number;
  /** Ratios count between 1 − low and 1 + high. */
  low: number;
  high: number;
  level: 'token' | 'sequence';
  temperature: number;
  /** Divides the sums of tokens of `dr_grpo`. */
  maxTokens: number;
}

export function groupObjective(settings: GroupSettings): Objective<Experience> {
  const { loss: kind, beta, low, high, level } = settings;
  const tokensOf = ({ completion, isMasked }: Experience) => (isMasked ? 0 : completion.length);

  /** Weight of each token of a row in the micro batch's sum. */
  function weightsOf(rows: readonly Experience[]): number[] {
    const tokens = rows.map(tokensOf);
    const all = Math.max(1, sumOf(tokens));
    return tokens.map((n) => {
      if (n === 0) return 0;
      if (kind === 'grpo') return 1 / n;
      if (kind === 'bnpo') return rows.length / all;
      return kind === 'dr_grpo' ? 1 / settings.maxTokens : 1;
    });
  }

  return {
    reads: 'log-probs',
    temperature: settings.temperature,
    sequences: (row) => [sequenceOf(row)],
    size: (row) => (kind === 'dapo' ? tokensOf(row) : 1),
    judge(rows, readings) {
      const weights = weightsOf(rows);
      const metrics: Metrics = {};
      let sum = 0;
      const gradients = rows.map((row, i) => {
        const now = readings[i].sequences[0];
        const gradient = new Float64Array(now.length);
        if (weights[i] === 0) return [gradient];
        const [advantage] = row.advantages;
        const old = row.old ?? now;
        const differences = now.map((value, t) => value - old[t]);
        const whole = level === 'sequence' ? sumOf(differences) / now.length : 0;
        let [kl, clipped] = [0, 0];
        for (let t = 0; t < now.length; t++) {
          const ratio = Math.exp(level === 'sequence' ? whole : differences[t]);
          const bounded = Math.min(Math.max(ratio, 1 - low), 1 + high);
          const isFree = ratio * advantage <= bounded * advantage;
          sum -= weights[i] * Math.min(ratio * advantage, bounded * advantage);
          // With one ratio for all, each token has its share of the ratio of every token: the same in sum.
          if (isFree) gradient[t] -= weights[i] * ratio * advantage;
          if ((ratio < 1 - low && advantage < 0) || (ratio > 1 + high && advantage > 0)) clipped++;
          if (beta === 0) continue;
          invariant(row.reference !== null, 'the reference log-probabilities of an answer are missing');
          const apart = row.reference[t] - now[t];
          kl += Math.exp(apart) - apart - 1;
          gradient[t] += weights[i] * beta * (1 - Math.exp(apart));
        }
        sum += weights[i] * beta * kl;
        const mean = (total: number) => ({ sum: total, weight: now.length });
        addMetrics(metrics, {
          clip_ratio: mean(clipped),
          entropy: mean(-sumOf(now)),
          ...(beta > 0 ? { kl: mean(kl) } : {}),
        });
        return [gradient];
      });
      return { sum, gradients, metrics };
    },
  };
}

/** Keeps a group whose rewards are all alike from being divided by nothing, as in TRL. */
const STILL = 1e-4;

/**
 * Advantages of each answer of each group: what its reward has above the group's mean, over the deviation that `scale` names.
 * `deviations` are those of the groups, for the log.
 */
export function groupAdvantages(
  groups: readonly (readonly number[])[],
  scale: 'group' | 'batch' | 'none',
): { advantages: number[][]; deviations: number[] } {
  const deviations = groups.map(deviation);
  const ofAll = deviation(groups.flat());
  const advantages = groups.map((rewards, g) => {
    const mean = sumOf(rewards) / rewards.length;
    const divisor = scale === 'none' ? 1 : (scale === 'group' ? deviations[g] : ofAll) + STILL;
    return rewards.map((reward) => (reward - mean) / divisor);
  });
  return { advantages, deviations };
}

/** Of the population that the values are drawn from; 0 of fewer than two. */
export function deviation(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const mean = sumOf(values) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
}
