// In: settings of stochastic gradient descent. Out: its rule, as torch.optim.SGD has it: weight decay is added to the
// gradient, and momentum, dampening and Nesterov's look-ahead follow. Without momentum it keeps no state.
import { floats, type ParameterState, type UpdateRule, zeros } from './optimizer.ts';

export interface SgdOptions {
  momentum: number;
  dampening: number;
  nesterov: boolean;
}

export function sgdRule({ momentum, dampening, nesterov }: SgdOptions): UpdateRule {
  return {
    makeState(shape): ParameterState {
      if (momentum === 0) return {};
      return { momentum: zeros(shape) };
    },
    step({ value, gradient }, state, { lr, weightDecay, gradScale, step }) {
      const f = Math.fround;
      const scale = f(gradScale);
      const buffer = momentum === 0 ? null : floats(state, 'momentum');
      // The first gradient enters the buffer without dampening.
      const fresh = step === 1 ? 1 : 1 - dampening;
      for (let i = 0; i < value.length; i++) {
        let g = f(gradient[i] * scale) + weightDecay * value[i];
        if (buffer) {
          buffer[i] = momentum * buffer[i] + fresh * g;
          g = nesterov ? g + momentum * buffer[i] : buffer[i];
        }
        value[i] -= lr * g;
      }
    },
  };
}
