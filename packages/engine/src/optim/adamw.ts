// In: a parameter array, its gradient and the running moments. Out: the same arrays after one AdamW step (Loshchilov and
// Hutter 2019, "Decoupled Weight Decay Regularization"). The moments are rounded where PyTorch's CPU kernels round and
// have their bits; the parameter is rounded once per step, which is twice as fast as their five roundings and differs by
// about one unit in the last place. Which parameters decay, and the learning rate of a step, are the caller's decisions.
import { EngineError } from '../errors.ts';
import { floats, type UpdateRule, zeros } from './optimizer.ts';

interface AdamWOptions {
  /** Learning rate of this step. */
  lr: number;
  beta1: number;
  beta2: number;
  eps: number;
  weightDecay: number;
}

/** Running means of the gradient and of its square, as long as the parameter. */
interface AdamWState {
  m: Float32Array;
  v: Float32Array;
}

export function makeAdamWState(length: number): AdamWState {
  return { m: new Float32Array(length), v: new Float32Array(length) };
}

/**
 * One step in place. `step` counts from 1 and corrects the bias of the moments. `gradScale` multiplies the gradient as it
 * is read (clipping, loss scale), so that no pass over the gradient is needed for it; `grad` stays as it is.
 */
export function adamwStep(
  param: Float32Array,
  grad: Float32Array,
  state: AdamWState,
  { lr, beta1, beta2, eps, weightDecay }: AdamWOptions,
  step: number,
  gradScale = 1,
): void {
  const { m, v } = state;
  const n = param.length;
  if (grad.length !== n || m.length !== n || v.length !== n)
    throw new EngineError({
      code: 'ENGINE_BAD_SHAPE',
      message: `adamw: expected a gradient and moments of ${n} elements, found ${grad.length}, ${m.length} and ${v.length}`,
      remedy: 'Pass the gradient and the state of the same parameter.',
    });
  const f = Math.fround;
  const scale = f(gradScale);
  const decay = f(1 - lr * weightDecay);
  const weight = f(1 - beta1);
  // torch.lerp starts from the nearer end: m + w (g - m), or g + (w - 1) (g - m) from a half on.
  const fromGrad = weight >= 0.5;
  const coefficient = fromGrad ? f(weight - 1) : weight;
  const keepV = f(beta2);
  const addV = f(1 - beta2);
  const perRoot = 1 / Math.sqrt(1 - beta2 ** step);
  const stepSize = lr / (1 - beta1 ** step);
  for (let i = 0; i < n; i++) {
    const g = f(grad[i] * scale);
    const before = m[i];
    // One rounding: the product of two float32 is exact in float64, as in a fused multiply-add.
    const mean = f(coefficient * f(g - before) + (fromGrad ? g : before));
    const square = f(f(v[i] * keepV) + f(addV * g) * g);
    m[i] = mean;
    v[i] = square;
    param[i] = param[i] * decay - (stepSize * mean) / (Math.sqrt(square) * perRoot + eps);
  }
}

export interface MomentOptions {
  beta1: number;
  beta2: number;
  eps: number;
}

/** AdamW as a rule; its state is `m` and `v`. */
export function adamwRule(moments: MomentOptions): UpdateRule {
  return {
    makeState: (shape) => ({ m: zeros(shape), v: zeros(shape) }),
    step({ value, gradient }, state, { lr, weightDecay, step, gradScale }) {
      const both = { m: floats(state, 'm'), v: floats(state, 'v') };
      adamwStep(value, gradient, both, { ...moments, lr, weightDecay }, step, gradScale);
    },
  };
}
