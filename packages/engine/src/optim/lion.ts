// In: the two betas. Out: Lion (Chen et al. 2023, "Symbolic Discovery of Optimization Algorithms"): a step of size lr by
// the sign of an interpolation between momentum and gradient, with decoupled weight decay. Sums are rounded as
// bitsandbytes rounds them, because a sign turns on the last bit.
import { floats, type UpdateRule, zeros } from './optimizer.ts';

export interface LionOptions {
  beta1: number;
  beta2: number;
}

export function lionRule({ beta1, beta2 }: LionOptions): UpdateRule {
  return {
    makeState: (shape) => ({ m: zeros(shape) }),
    step({ value, gradient }, state, { lr, weightDecay, gradScale }) {
      const f = Math.fround;
      const scale = f(gradScale);
      const m = floats(state, 'm');
      const [keep1, add1, keep2, add2] = [beta1, 1 - beta1, beta2, 1 - beta2].map(f);
      for (let i = 0; i < value.length; i++) {
        const g = f(gradient[i] * scale);
        // Two roundings, as in a multiplication followed by a fused multiply-add.
        const mixed = f(f(m[i] * keep1) + g * add1);
        value[i] = value[i] * (1 - lr * weightDecay) - lr * Math.sign(mixed);
        m[i] = f(m[i] * keep2) + g * add2;
      }
    },
  };
}
