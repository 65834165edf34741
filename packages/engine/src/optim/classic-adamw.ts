// In: a gradient and two moments. Out: AdamW as transformers had it before it took over torch's (and as GaLore, APOLLO and
// Muon still have it): epsilon is added to the root before the bias is corrected, and decay follows the update.
import type { MomentOptions } from './adamw.ts';
import { floats, type ParameterState, type UpdateRule, zeros } from './optimizer.ts';

export function classicMoments(shape: readonly number[]): ParameterState {
  return { m: zeros(shape), v: zeros(shape) };
}

/**
 * Takes `gradient` into the moments and returns m / (sqrt(v) + eps); the update is that times the learning rate and
 * `biasFactor`.
 */
export function classicDirection(
  gradient: Float32Array,
  state: ParameterState,
  { beta1, beta2, eps }: MomentOptions,
): Float32Array {
  const [m, v] = [floats(state, 'm'), floats(state, 'v')];
  const out = new Float32Array(gradient.length);
  for (let i = 0; i < out.length; i++) {
    const g = gradient[i];
    m[i] = beta1 * m[i] + (1 - beta1) * g;
    v[i] = beta2 * v[i] + (1 - beta2) * g * g;
    out[i] = m[i] / (Math.sqrt(v[i]) + eps);
  }
  return out;
}

export function biasFactor({ beta1, beta2 }: MomentOptions, step: number): number {
  return Math.sqrt(1 - beta2 ** step) / (1 - beta1 ** step);
}

/** value -= rate * direction, then the decay of what is left. */
export function applyUpdate(value: Float32Array, direction: Float32Array, rate: number, decay: number): void {
  const kept = 1 - decay;
  for (let i = 0; i < value.length; i++) value[i] = (value[i] - rate * direction[i]) * kept;
}

/** `decay` says whether decay follows the update (transformers, GaLore, APOLLO) or comes before it (Muon). */
export function classicAdamwRule(moments: MomentOptions, decay: 'before' | 'after'): UpdateRule {
  return {
    makeState: classicMoments,
    step({ value, gradient }, state, { lr, weightDecay, step, gradScale }) {
      const scale = Math.fround(gradScale);
      const direction = classicDirection(
        gradient.map((g) => g * scale),
        state,
        moments,
      );
      const rate = lr * biasFactor(moments, step);
      // (value - rate d) kept = value kept - (rate kept) d
      const kept = 1 - lr * weightDecay;
      applyUpdate(value, direction, decay === 'after' ? rate : rate / kept, lr * weightDecay);
    },
  };
}
