// In: log-probabilities of a chosen and a rejected answer under the policy and the reference. Out: the loss of the pair and
// its derivatives. Formulas: Rafailov et al. 2023 (sigmoid), Zhao et al. 2023 (hinge), Azar et al. 2023 (ipo), Hong et al.
// 2024 (orpo), Meng et al. 2024 (simpo), Jung et al. 2024 (bco); kinds and add-ons as in LLaMA-Factory.
import type { PreferenceLoss } from '#factory/records/train-args.ts';
import { logSigmoid, sigmoid } from './objective.ts';

/** Log-probabilities are means over the answer's tokens instead of sums. */
export const AVERAGED: ReadonlySet<PreferenceLoss> = new Set(['ipo', 'orpo', 'simpo']);
export const REFERENCE_FREE: ReadonlySet<PreferenceLoss> = new Set(['orpo', 'simpo']);

export interface PairLoss {
  loss: number;
  /** d(loss) / d(log-probability of the chosen answer), and of the rejected one. */
  chosen: number;
  rejected: number;
}

export interface LossOptions {
  beta: number;
  /** Sigmoid only: share of pairs whose order is taken for wrong. */
  labelSmoothing: number;
  simpoGamma: number;
}

/** By the policy's log-probabilities alone (c, r), and their advantage over the reference's: (c − r) − (c₀ − r₀). */
type Rule = (c: number, r: number, advantage: number, options: LossOptions) => PairLoss;

/** log p of a mean cannot reach 0, where the odds are infinite. */
const CERTAIN = -1e-7;

const RULES: Record<PreferenceLoss, Rule> = {
  sigmoid: (_c, _r, advantage, { beta, labelSmoothing: e }) => {
    const x = beta * advantage;
    const slope = -beta * ((1 - e) * sigmoid(-x) - e * sigmoid(x));
    return { loss: -(1 - e) * logSigmoid(x) - e * logSigmoid(-x), chosen: slope, rejected: -slope };
  },
  hinge: (_c, _r, advantage, { beta }) => {
    const gap = 1 - beta * advantage;
    const slope = gap > 0 ? -beta : 0;
    return { loss: Math.max(0, gap), chosen: slope, rejected: -slope };
  },
  ipo: (_c, _r, advantage, { beta }) => {
    const gap = advantage - 1 / (2 * beta);
    return { loss: gap ** 2, chosen: 2 * gap, rejected: -2 * gap };
  },
  orpo: (c, r, _advantage, { beta }) => {
    const [lc, lr] = [Math.min(c, CERTAIN), Math.min(r, CERTAIN)];
    const odds = lc - lr - (Math.log(-Math.expm1(lc)) - Math.log(-Math.expm1(lr)));
    const slope = beta * sigmoid(-odds);
    return {
      loss: -c - beta * logSigmoid(odds),
      chosen: -1 + slope / Math.expm1(lc),
      rejected: -slope / Math.expm1(lr),
    };
  },
  simpo: (c, r, _advantage, { beta, simpoGamma }) => {
    const x = beta * (c - r) - simpoGamma;
    const slope = -beta * sigmoid(-x);
    return { loss: -logSigmoid(x), chosen: slope, rejected: -slope };
  },
};

export function pairLoss(
  kind: PreferenceLoss,
  policy: { chosen: number; rejected: number },
  reference: { chosen: number; rejected: number },
  options: LossOptions,
): PairLoss {
  const advantage = policy.chosen - policy.rejected - (reference.chosen - reference.rejected);
  return RULES[kind](policy.chosen, policy.rejected, advantage, options);
}

/** The odds-ratio term of ORPO alone, for the log. */
export function oddsRatioLoss(chosen: number, rejected: number): number {
  return RULES.orpo(chosen, rejected, 0, { beta: 1, labelSmoothing: 0, simpoGamma: 0 }).loss + chosen;
}

/** BCO: each answer against the running mean `delta` of all rewards. Rewards are beta × (policy − reference). */
export function bcoLoss(
  rewards: { chosen: number; rejected: number },
  delta: number,
  beta: number,
): PairLoss {
  const [c, r] = [rewards.chosen - delta, rewards.rejected - delta];
  return {
    loss: -logSigmoid(c) - logSigmoid(-r),
    chosen: -beta * sigmoid(-c),
    rejected: beta * sigmoid(r),
  };
}
