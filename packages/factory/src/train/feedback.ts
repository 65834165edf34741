// In: answers that were found good or bad, each with a mismatched answer to the same prompt. Out: the KTO objective
// (Ethayarajh et al. 2024) as in LLaMA-Factory: the KL term is the mean over a micro batch, clamped at 0, without gradient.
import { invariant } from '#factory/errors.ts';
import type { EncodedExample } from '#factory/records/encoded.ts';
import { addMetrics, type Metrics, NEGLIGIBLE, type Objective, sigmoid, sumOf } from './objective.ts';

export interface FeedbackRow {
  answer: EncodedExample;
  /** The prompt with another row's answer. */
  mismatched: EncodedExample;
  isDesirable: boolean;
  /** Summed log-probabilities under the reference. */
  reference: { answer: number; mismatched: number } | null;
}

export interface FeedbackSettings {
  beta: number;
  desirableWeight: number;
  undesirableWeight: number;
  /** Weight of the desirable answers' mean negative log-likelihood. */
  ftx: number;
}

export function feedbackObjective(settings: FeedbackSettings): Objective<FeedbackRow> {
  const { beta, desirableWeight, undesirableWeight } = settings;
  return {
    reads: 'log-probs',
    sequences: ({ answer }) => [answer],
    aside: ({ mismatched }) => [mismatched],
    size: () => 1,
    judge(rows, readings) {
      const references = rows.map(({ reference }) => {
        invariant(reference !== null, 'the reference log-probabilities of an answer are missing');
        return reference;
      });
      const drift = readings.map(({ aside }, i) => sumOf(aside[0]) - references[i].mismatched);
      const kl = Math.max(0, sumOf(drift) / rows.length);
      const metrics: Metrics = { kl: { sum: kl, weight: 1 } };
      const note = (name: string, value: number) =>
        addMetrics(metrics, { [name]: { sum: value, weight: 1 } });
      const desirable = rows.filter((row) => row.isDesirable).length;
      // LLaMA-Factory's scale: the mean over desirable answers, divided by their number once more, times all rows.
      const ftx = settings.ftx > NEGLIGIBLE ? (settings.ftx * rows.length ** 2) / desirable ** 2 : 0;
      let sum = 0;
      const gradients = rows.map(({ isDesirable }, i) => {
        const logProbs = readings[i].sequences[0];
        const policy = sumOf(logProbs);
        const ratio = policy - references[i].answer;
        const side = isDesirable ? 1 : -1;
        const weight = isDesirable ? desirableWeight : undesirableWeight;
        const p = sigmoid(side * beta * (ratio - kl));
        sum += weight * (1 - p);
        let slope = -weight * side * beta * p * (1 - p);
        if (isDesirable && ftx > 0) {
          sum -= (ftx * policy) / logProbs.length;
          slope -= ftx / logProbs.length;
        }
        const split = isDesirable ? 'chosen' : 'rejected';
        note(`rewards/${split}`, beta * ratio);
        note(`logps/${split}`, policy);
        return [new Float64Array(logProbs.length).fill(slope)];
      });
      return { sum, gradients, metrics };
    },
  };
}
