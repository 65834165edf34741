// In: answers with advantages, returns and what policy and value head said of old. Out: the objective of PPO (Schulman et al.
// 2017) as in TRL 0.9.6, which LLaMA-Factory trains by. Advantages are estimated in advantages.ts.
import { invariant } from '#factory/errors.ts';
import { type Experience, sequenceOf } from './experience.ts';
import type { Metrics, Objective } from './objective.ts';

/** TRL's defaults, which LLaMA-Factory leaves as they are. */
const CLIP = 0.2;
const VALUE_CLIP = 0.2;
const VALUE_WEIGHT = 0.1;
/** A micro batch whose mean ratio is above this is passed over. */
const RATIO_LIMIT = 10;

export function clippedObjective(): Objective<Experience> {
  return {
    reads: 'log-probs and values',
    sequences: (row) => [sequenceOf(row)],
    size: () => 1,
    judge(rows, readings) {
      const tokens = rows.reduce((n, { completion }) => n + completion.length, 0);
      // The mean over the tokens of the micro batch, times its rows.
      const weight = rows.length / tokens;
      let [policy, value, ratios, clipped, valuesClipped, drift] = [0, 0, 0, 0, 0, 0];
      const valueGradients: Float64Array[][] = [];
      const gradients = rows.map((row, i) => {
        const { old, values: before, returns, advantages } = row;
        const now = readings[i].sequences[0];
        const values = readings[i].values?.[0];
        invariant(old && before && returns && values, 'PPO learns from values and log-probabilities of old');
        const gradient = new Float64Array(now.length);
        const valueGradient = new Float64Array(now.length);
        for (let t = 0; t < now.length; t++) {
          const ratio = Math.exp(now[t] - old[t]);
          const bounded = Math.min(Math.max(ratio, 1 - CLIP), 1 + CLIP);
          const [free, held] = [-advantages[t] * ratio, -advantages[t] * bounded];
          policy += Math.max(free, held);
          if (free >= held) gradient[t] = weight * free;
          if (held > free) clipped++;
          ratios += ratio;
          drift += (now[t] - old[t]) ** 2 / 2;

          const near = Math.min(Math.max(values[t], before[t] - VALUE_CLIP), before[t] + VALUE_CLIP);
          const [error, heldError] = [values[t] - returns[t], near - returns[t]];
          value += Math.max(error ** 2, heldError ** 2) / 2;
          if (error ** 2 >= heldError ** 2) valueGradient[t] = weight * VALUE_WEIGHT * error;
          else valuesClipped++;
        }
        valueGradients.push([valueGradient]);
        return [gradient];
      });
      const mean = (sum: number) => ({ sum, weight: tokens });
      const metrics: Metrics = {
        policy_loss: mean(policy),
        value_loss: mean(value),
        clip_ratio: mean(clipped),
        value_clip_ratio: mean(valuesClipped),
        approx_kl: mean(drift),
      };
      if (ratios / tokens > RATIO_LIMIT) {
        for (const [part] of [...gradients, ...valueGradients]) part.fill(0);
        return { sum: 0, gradients, valueGradients, metrics };
      }
      return { sum: weight * (policy + VALUE_WEIGHT * value), gradients, valueGradients, metrics };
    },
  };
}
