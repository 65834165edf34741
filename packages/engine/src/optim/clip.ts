// In: all gradients of a step. Out: their norm as one vector, and what to multiply them by so that it stays within a
// bound. The multiplication itself is left to the optimiser (`gradScale` of adamwStep).

/** The Euclidean norm over all arrays, summed in float64; NaN or Infinity if any element is. */
export function globalNorm(grads: Iterable<Float32Array>): number {
  let total = 0;
  for (const grad of grads) {
    // Four sums, so that an addition does not wait for the one before.
    let [a, b, c, d] = [0, 0, 0, 0];
    const whole = grad.length - (grad.length % 4);
    let i = 0;
    for (; i < whole; i += 4) {
      a += grad[i] * grad[i];
      b += grad[i + 1] * grad[i + 1];
      c += grad[i + 2] * grad[i + 2];
      d += grad[i + 3] * grad[i + 3];
    }
    for (; i < grad.length; i++) a += grad[i] * grad[i];
    total += a + b + (c + d);
  }
  return Math.sqrt(total);
}

/**
 * min(1, maxNorm / (norm + 1e-6)) with the float32 steps of torch.nn.utils.clip_grad_norm_, which divides a number by a
 * tensor as reciprocal times number. NaN stays NaN; an infinite norm gives 0.
 */
export function clipCoefficient(norm: number, maxNorm: number): number {
  const f = Math.fround;
  return Math.min(1, f(f(1 / f(f(norm) + f(1e-6))) * f(maxNorm)));
}
