// In: settings of Adagrad (Duchi, Hazan and Singer 2011) and RMSprop (Hinton 2012). Out: their rules, as torch.optim has
// them: both divide by the root of collected squares of the gradient, and add weight decay to the gradient.
import { floats, type UpdateRule, zeros } from './optimizer.ts';

export interface AdagradOptions {
  lrDecay: number;
  eps: number;
}

export function adagradRule({ lrDecay, eps }: AdagradOptions): UpdateRule {
  return {
    makeState: (shape) => ({ sum: zeros(shape) }),
    step({ value, gradient }, state, { lr, weightDecay, step, gradScale }) {
      const f = Math.fround;
      const scale = f(gradScale);
      const sum = floats(state, 'sum');
      const rate = lr / (1 + (step - 1) * lrDecay);
      for (let i = 0; i < value.length; i++) {
        const g = f(gradient[i] * scale) + weightDecay * value[i];
        sum[i] += g * g;
        value[i] -= (rate * g) / (Math.sqrt(sum[i]) + eps);
      }
    },
  };
}

export interface RmspropOptions {
  alpha: number;
  eps: number;
  momentum: number;
  /** Subtracts the square of the mean gradient. */
  centered: boolean;
}

export function rmspropRule({ alpha, eps, momentum, centered }: RmspropOptions): UpdateRule {
  return {
    makeState: (shape) => ({
      v: zeros(shape),
      ...(momentum > 0 ? { momentum: zeros(shape) } : {}),
      ...(centered ? { mean: zeros(shape) } : {}),
    }),
    step({ value, gradient }, state, { lr, weightDecay, gradScale }) {
      const f = Math.fround;
      const scale = f(gradScale);
      const v = floats(state, 'v');
      const buffer = momentum > 0 ? floats(state, 'momentum') : null;
      const mean = centered ? floats(state, 'mean') : null;
      for (let i = 0; i < value.length; i++) {
        const g = f(gradient[i] * scale) + weightDecay * value[i];
        v[i] = alpha * v[i] + (1 - alpha) * g * g;
        let square = v[i];
        if (mean) {
          mean[i] += (1 - alpha) * (g - mean[i]);
          square -= mean[i] * mean[i];
        }
        const direction = g / (Math.sqrt(square) + eps);
        if (buffer) buffer[i] = momentum * buffer[i] + direction;
        value[i] -= lr * (buffer ? buffer[i] : direction);
      }
    },
  };
}
