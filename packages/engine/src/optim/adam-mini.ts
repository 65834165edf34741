// In: betas and epsilon, and how many blocks a parameter has. Out: Adam-mini's rule (Zhang et al. 2024, "Use Fewer Learning
// Rates To Gain More"): Adam with one second moment per block, the running mean of the block's squared gradients. Which
// parameter is cut how is the caller's decision.
import { EngineError } from '../errors.ts';
import type { MomentOptions } from './adamw.ts';
import { floats, type UpdateRule, zeros } from './optimizer.ts';

/** `blocks` consecutive parts of equal size. */
export function adamMiniRule({ beta1, beta2, eps }: MomentOptions, blocks: number): UpdateRule {
  return {
    makeState(shape) {
      const length = shape.reduce((n, d) => n * d, 1);
      if (length % blocks !== 0)
        throw new EngineError({
          code: 'ENGINE_BAD_SHAPE',
          message: `adam-mini: [${shape}] cannot be cut into ${blocks} equal blocks`,
          remedy: 'Choose another optimiser for this model.',
        });
      return { m: zeros(shape), v: zeros([blocks]) };
    },
    step({ value, gradient }, state, { lr, weightDecay, step, gradScale }) {
      const scale = Math.fround(gradScale);
      const [m, v] = [floats(state, 'm'), floats(state, 'v')];
      const size = value.length / blocks;
      const kept = 1 - lr * weightDecay;
      const perRoot = 1 / Math.sqrt(1 - beta2 ** step);
      const stepSize = lr / (1 - beta1 ** step);
      for (let block = 0; block < blocks; block++) {
        const [from, to] = [block * size, (block + 1) * size];
        let sum = 0;
        for (let i = from; i < to; i++) sum += (gradient[i] * scale) ** 2;
        v[block] = beta2 * v[block] + (1 - beta2) * (sum / size);
        const rate = stepSize / (Math.sqrt(v[block]) * perRoot + eps);
        for (let i = from; i < to; i++) {
          m[i] += (1 - beta1) * (gradient[i] * scale - m[i]);
          value[i] = value[i] * kept - rate * m[i];
        }
      }
    },
  };
}
