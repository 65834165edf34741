// In: pairs of a chosen and a rejected answer with the reference model's log-probabilities. Out: the preference objective
// (DPO and its relatives). Losses of one pair are in preference-losses.ts; the reference is computed elsewhere.
import { invariant } from '#factory/errors.ts';
import type { EncodedExample } from '#factory/records/encoded.ts';
import type { PreferenceLoss } from '#factory/records/train-args.ts';
import {
  addMetrics,
  type Memory,
  type Metrics,
  NEGLIGIBLE,
  type Objective,
  type Reading,
  sumOf,
} from './objective.ts';
import {
  AVERAGED,
  bcoLoss,
  type LossOptions,
  oddsRatioLoss,
  pairLoss,
  REFERENCE_FREE,
} from './preference-losses.ts';

export interface PreferenceRow {
  chosen: EncodedExample;
  rejected: EncodedExample;
  /** Summed log-probabilities under the reference; null for losses that have none. */
  reference: { chosen: number; rejected: number } | null;
}

export interface PreferenceSettings extends LossOptions {
  loss: PreferenceLoss;
  /** Weight of the chosen answer's mean negative log-likelihood. */
  ftx: number;
  bcoWeight: number;
  /** Weight of the tokens beyond the shorter answer's length (LD-DPO), or null for 1. */
  ldAlpha: number | null;
}

export function preferenceObjective(settings: PreferenceSettings): Objective<PreferenceRow> {
  const { loss: kind, beta, ftx, bcoWeight } = settings;
  const isAveraged = AVERAGED.has(kind);
  const hasReference = !REFERENCE_FREE.has(kind);
  const usesBco = hasReference && bcoWeight > NEGLIGIBLE;

  function pairOf(row: PreferenceRow, { sequences: [chosen, rejected] }: Reading) {
    const common = Math.min(chosen.length, rejected.length);
    const [c, r] = [chosen, rejected].map((logProbs) => {
      const front = sumOf(logProbs.subarray(0, common));
      const sum = front + (settings.ldAlpha ?? 1) * sumOf(logProbs.subarray(common));
      return isAveraged ? sum / logProbs.length : sum;
    });
    let reference = { chosen: 0, rejected: 0 };
    if (hasReference) {
      invariant(row.reference !== null, 'the reference log-probabilities of a pair are missing');
      const { chosen: c0, rejected: r0 } = row.reference;
      reference = isAveraged ? { chosen: c0 / chosen.length, rejected: r0 / rejected.length } : row.reference;
    }
    const policy = { chosen: c, rejected: r };
    const rewards = { chosen: beta * (c - reference.chosen), rejected: beta * (r - reference.rejected) };
    return { policy, reference, rewards, common };
  }

  return {
    reads: 'log-probs',
    sequences: ({ chosen, rejected }) => [chosen, rejected],
    size: () => 1,
    judge(rows, readings, memory) {
      const pairs = rows.map((row, i) => pairOf(row, readings[i]));
      const delta = usesBco ? runningMean(memory, meanReward(pairs)) : 0;
      const metrics: Metrics = {};
      const note = (name: string, value: number) =>
        addMetrics(metrics, { [name]: { sum: value, weight: 1 } });
      let sum = 0;
      const gradients = pairs.map(({ policy, reference, rewards, common }, i) => {
        let { loss, chosen, rejected } = pairLoss(kind, policy, reference, settings);
        if (usesBco) {
          const bco = bcoLoss(rewards, delta, beta);
          loss = (loss + bcoWeight * bco.loss) / (1 + bcoWeight);
          chosen = (chosen + bcoWeight * bco.chosen) / (1 + bcoWeight);
          rejected = (rejected + bcoWeight * bco.rejected) / (1 + bcoWeight);
        }
        const lengths = readings[i].sequences.map((logProbs) => logProbs.length);
        const perToken = isAveraged ? 1 : lengths[0];
        const sftLoss = -policy.chosen / perToken;
        if (ftx > NEGLIGIBLE) {
          loss += ftx * sftLoss;
          chosen -= ftx / perToken;
        }
        sum += loss;
        note('rewards/chosen', rewards.chosen);
        note('rewards/rejected', rewards.rejected);
        note('rewards/accuracies', rewards.chosen > rewards.rejected ? 1 : 0);
        note('logps/chosen', policy.chosen);
        note('logps/rejected', policy.rejected);
        if (kind === 'orpo') {
          note('sft_loss', sftLoss);
          note('odds_ratio_loss', oddsRatioLoss(policy.chosen, policy.rejected));
        }
        return [chosen, rejected].map((slope, side) => {
          const each = isAveraged ? slope / lengths[side] : slope;
          const gradient = new Float64Array(lengths[side]).fill(each);
          return gradient.fill(each * (settings.ldAlpha ?? 1), common);
        });
      });
      return { sum, gradients, metrics };
    },
  };
}

function meanReward(pairs: readonly { rewards: { chosen: number; rejected: number } }[]): number {
  return (
    pairs.reduce((sum, { rewards: { chosen, rejected } }) => sum + chosen + rejected, 0) / (2 * pairs.length)
  );
}

/** Mean of the rewards of all micro batches so far, this one included (TRL's RunningMoments). */
function runningMean(memory: Memory, reward: number): number {
  const count = (memory.bco_batches ?? 0) + 1;
  const before = memory.bco_mean ?? 0;
  memory.bco_batches = count;
  memory.bco_mean = before + (reward - before) / count;
  return memory.bco_mean;
}
