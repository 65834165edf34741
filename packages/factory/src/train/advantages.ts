// In: rewards, values and log-probabilities of whole answers, one array each. Out: PPO's rewards per token, advantages and
// returns, its running moments of scores and its KL coefficient, all as in TRL 0.9.6. No model is here.
import { type Memory, sumOf } from './objective.ts';

/** GAE's discount is 1; this is its λ. */
const LAMBDA = 0.95;
const FIRST_KL_WEIGHT = 0.2;
const HORIZON = 10_000;
/** float32's, beside which a deviation counts. */
const EPSILON = 1.1920928955078125e-7;

/** Per token −coefficient × (log-probability − the reference's); the score comes on top at the last one. */
export function tokenRewards(
  score: number,
  now: ArrayLike<number>,
  reference: ArrayLike<number>,
  coefficient: number,
): number[] {
  const rewards = Array.from(now, (value, t) => -coefficient * (value - reference[t]));
  rewards[rewards.length - 1] += score;
  return rewards;
}

/** Generalised advantage estimation (Schulman et al. 2016). */
export function estimateAdvantages(
  rewards: readonly number[],
  values: ArrayLike<number>,
): { advantages: number[]; returns: number[] } {
  const advantages = new Array<number>(rewards.length);
  let later = 0;
  for (let t = rewards.length - 1; t >= 0; t--) {
    const next = t + 1 < rewards.length ? values[t + 1] : 0;
    later = rewards[t] + next - values[t] + LAMBDA * later;
    advantages[t] = later;
  }
  return { advantages, returns: advantages.map((advantage, t) => advantage + values[t]) };
}

/** All numbers over their common deviation, around 0 or around their mean as it was. */
export function whiten(rows: readonly (readonly number[])[], around: 'zero' | 'mean'): number[][] {
  const all = rows.flat();
  const mean = sumOf(all) / all.length;
  const squares = all.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const scale = 1 / Math.sqrt(squares / Math.max(1, all.length - 1) + 1e-8);
  const shift = around === 'mean' ? mean : 0;
  return rows.map((row) => row.map((value) => (value - mean) * scale + shift));
}

/** Scores less their running mean, over their running deviation, both with these scores (`ppo_score_norm`). */
export function normaliseScores(scores: readonly number[], memory: Memory): number[] {
  const count = memory.score_count ?? 1e-24;
  const before = { mean: memory.score_mean ?? 0, variance: memory.score_variance ?? 1 };
  const own = sumOf(scores) / scores.length;
  const ownSquares = scores.reduce((sum, score) => sum + (score - own) ** 2, 0);
  const total = count + scores.length;
  const shift = own - before.mean;
  const squares = before.variance * count + (shift ** 2 * count * scores.length) / total + ownSquares;
  memory.score_count = total;
  memory.score_mean = before.mean + (shift * scores.length) / total;
  memory.score_variance = squares / total;
  const deviation = Math.sqrt(squares / (total - 1));
  return scores.map((score) => (score - memory.score_mean) / (deviation + EPSILON));
}

export function klWeight(memory: Memory): number {
  return memory.kl_weight ?? FIRST_KL_WEIGHT;
}

/** Moves the coefficient by how far `kl`, in nats per answer, is from the target (Ziegler et al. 2019). */
export function steerKlWeight(memory: Memory, kl: number, target: number, answers: number): void {
  const error = Math.min(Math.max(kl / target - 1, -0.2), 0.2);
  memory.kl_weight = klWeight(memory) * (1 + (error * answers) / HORIZON);
}
