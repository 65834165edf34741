// In: pairs of a chosen and a rejected answer. Out: the reward-model objective: the score at the last token of the chosen
// answer should be the higher one (Bradley and Terry 1952; LLaMA-Factory's PairwiseTrainer). Sequences with gradients only.
import { logSigmoid, type Metrics, type Objective, sigmoid } from './objective.ts';
import type { PreferenceRow } from './preference.ts';

export function rewardObjective(): Objective<PreferenceRow> {
  return {
    reads: 'scores',
    sequences: ({ chosen, rejected }) => [chosen, rejected],
    size: () => 1,
    judge(rows, readings) {
      let sum = 0;
      let right = 0;
      const gradients = readings.map(({ sequences: [[chosen], [rejected]] }) => {
        const gap = chosen - rejected;
        sum -= logSigmoid(gap);
        if (gap > 0) right++;
        const slope = sigmoid(-gap);
        return [[-slope], [slope]];
      });
      const metrics: Metrics = { accuracy: { sum: right, weight: rows.length } };
      return { sum, gradients, metrics };
    },
  };
}
