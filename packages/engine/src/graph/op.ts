// In: nothing. Out: the closed list of operations with their attributes. Every table of rules (shape, gradient, ONNX,
// reference) is a total `Record<Op, ...>`, so an operation without one of them does not compile.
import type { Dim } from './dim.ts';

export type DType = 'f32' | 'f16' | 'i32' | 'i64' | 'u8';

export interface OpAttrs {
  /** A value given at run time. */
  input: { name: string };
  /** A scalar known when the graph is built. */
  constant: { value: number };

  // Elementwise with NumPy broadcasting.
  add: Record<never, never>;
  sub: Record<never, never>;
  mul: Record<never, never>;
  div: Record<never, never>;
  // Elementwise.
  neg: Record<never, never>;
  exp: Record<never, never>;
  log: Record<never, never>;
  sqrt: Record<never, never>;
  sigmoid: Record<never, never>;
  /** x * sigmoid(x) */
  silu: Record<never, never>;
  tanh: Record<never, never>;
  /** x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))): GELU by its tanh approximation. */
  gelu_tanh: Record<never, never>;
  cast: { to: DType };

  /** alpha * op(a) @ op(b); 2-D operands, or N-D with equal leading sizes. */
  matmul: { transA: boolean; transB: boolean; alpha: number };

  // Data movement.
  reshape: { shape: Dim[] };
  transpose: { perm: number[] };
  expand: { shape: Dim[] };
  concat: { axis: number };
  slice: { axis: number; start: number; end: number };
  /** x[rows, ...] picked by i32 index [m]: out [m, ...]. */
  gather_rows: Record<never, never>;
  /** The transpose of gather_rows: rows of dy [m, ...] added into zeros [rows, ...]. */
  scatter_rows: { rows: Dim };
  /**
   * Packed rows to a padded grid: x [n, c], slot_of [g] i32, real [g, 1], place [n] i32 -> [g, c]. Where real is 0 there are
   * zeros, or without `clear` whatever row slot_of names: for values of which no real row depends on the padding.
   */
  pad: { clear: boolean };
  /** A padded grid to packed rows: x [g, c], slot_of [g], real [g, 1], place [n] -> [n, c] = x[place]. */
  unpad: Record<never, never>;

  reduce_sum: { axes: number[]; keep: boolean };
  reduce_mean: { axes: number[]; keep: boolean };
  reduce_max: { axes: number[]; keep: boolean };

  // Fused where the runtime has a kernel.
  /** Over the last axis. */
  softmax: Record<never, never>;
  /** The product of softmax's Jacobian with dy: y * (dy - sum(dy * y)). Inputs y, dy. */
  softmax_grad: Record<never, never>;
  /** x / sqrt(mean(x^2) + eps) * w over the last axis. */
  rms_norm: { eps: number };
  /**
   * Rotates pairs of the first r of each head's d values and leaves the rest: x [n, heads, d], cos and sin [n, 1, r/2].
   * Pairs are (i, i + r/2), or `interleaved` (2i, 2i + 1); `inverse` turns back.
   */
  rope: { inverse: boolean; interleaved: boolean };
  /** -log softmax(logits)[label] per row: logits [n, v], labels [n] i32 -> [n]. */
  nll: Record<never, never>;
  /** (softmax(logits) - onehot(labels)) * dy: logits [n, v], labels [n] i32, dy [n] -> [n, v]. */
  nll_grad: Record<never, never>;
  /** Index of the largest value of the last axis, i32. */
  argmax: Record<never, never>;
}

export type Op = keyof OpAttrs;
