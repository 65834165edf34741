// In: a node and the cotangent of its value. Out: the cotangents of its inputs, as new nodes. One rule per operation.
// A rule returns null for an input that carries no gradient (an index, a label). Operations that only ever stand in a
// backward graph have no rule of their own: differentiating twice is refused by name.
import { EngineError } from '../errors.ts';
import * as b from '../graph/build.ts';
import { type Dim, sameShape } from '../graph/dim.ts';
import type { Node } from '../graph/node.ts';
import type { Op, OpAttrs } from '../graph/op.ts';

type VjpRule<O extends Op> = (node: Node<O>, dy: Node, attrs: OpAttrs[O]) => (Node | null)[];
type VjpRules = { [O in Op]: VjpRule<O> };

/** Sums a cotangent over the axes that broadcasting had stretched, so that it has `shape`. */
function unbroadcast(dy: Node, shape: readonly Dim[]): Node {
  if (sameShape(dy.shape, shape)) return dy;
  const offset = dy.shape.length - shape.length;
  const axes = dy.shape.flatMap((d, i) => (i < offset || (shape[i - offset] === 1 && d !== 1) ? [i] : []));
  const summed = axes.length > 0 ? b.reduceSum(dy, axes, true) : dy;
  return sameShape(summed.shape, shape) ? summed : b.reshape(summed, [...shape]);
}

function twice(op: Op): () => never {
  return () => {
    throw new EngineError({
      code: 'ENGINE_NOT_DIFFERENTIABLE',
      message: `${op} has no gradient: it is used in backward graphs and decoding only`,
      remedy: `Take ${op} out of the path from the parameters to the loss.`,
    });
  };
}

/** Spreads a reduced cotangent back over the axes it was reduced on. */
function spread(dy: Node, x: Node, axes: readonly number[], keep: boolean): Node {
  const kept = keep
    ? dy
    : b.reshape(
        dy,
        x.shape.map((d, i) => (axes.includes(i) ? 1 : d)),
      );
  return b.expand(kept, [...x.shape]);
}

export const vjpRules: VjpRules = {
  input: () => [],
  constant: () => [],
  add: ({ inputs: [x, y] }, dy) => [unbroadcast(dy, x.shape), unbroadcast(dy, y.shape)],
  sub: ({ inputs: [x, y] }, dy) => [unbroadcast(dy, x.shape), unbroadcast(b.neg(dy), y.shape)],
  mul: ({ inputs: [x, y] }, dy) => [unbroadcast(b.mul(dy, y), x.shape), unbroadcast(b.mul(dy, x), y.shape)],
  div: (node, dy) => {
    const [x, y] = node.inputs;
    const q = b.div(dy, y);
    return [unbroadcast(q, x.shape), unbroadcast(b.neg(b.mul(q, node)), y.shape)];
  },
  neg: (_node, dy) => [b.neg(dy)],
  exp: (node, dy) => [b.mul(dy, node)],
  log: ({ inputs: [x] }, dy) => [b.div(dy, x)],
  sqrt: (node, dy) => [b.div(b.mul(dy, 0.5), node)],
  sigmoid: (node, dy) => [b.mul(dy, b.mul(node, b.sub(1, node)))],
  // With s = sigmoid(x) and y = x s: y' = s + y (1 - s) = s + y - y s.
  silu: (node, dy) => {
    const s = b.sigmoid(node.inputs[0]);
    return [b.mul(dy, b.add(s, b.mul(node, b.sub(1, s))))];
  },
  tanh: (node, dy) => [b.mul(dy, b.sub(1, b.mul(node, node)))],
  // With t = tanh(u) and u = k (x + a x³): y' = (1 + t) / 2 + x (1 - t²) k (1 + 3 a x²) / 2.
  gelu_tanh: ({ inputs: [x] }, dy) => {
    const k = Math.sqrt(2 / Math.PI);
    const square = b.mul(x, x);
    const t = b.tanh(b.mul(x, b.add(k, b.mul(square, k * 0.044715))));
    const slope = b.mul(x, b.add(k / 2, b.mul(square, (3 * k * 0.044715) / 2)));
    const bent = b.mul(b.sub(1, b.mul(t, t)), slope);
    return [b.mul(dy, b.add(b.add(b.mul(t, 0.5), 0.5), bent))];
  },
  cast: ({ inputs: [x] }, dy, { to }) => [x.dtype === 'f32' && to === 'f16' ? b.cast(dy, 'f32') : null],

  // y = alpha op(a) op(b); the four cases of the matrix product rule.
  matmul: ({ inputs: [a, w] }, dy, { transA, transB, alpha }) => [
    transA
      ? b.matmul(w, dy, { transA: transB, transB: true, alpha })
      : b.matmul(dy, w, { transA: false, transB: !transB, alpha }),
    transB
      ? b.matmul(dy, a, { transA: true, transB: transA, alpha })
      : b.matmul(a, dy, { transA: !transA, transB: false, alpha }),
  ],

  reshape: ({ inputs: [x] }, dy) => [b.reshape(dy, [...x.shape])],
  transpose: (_node, dy, { perm }) => [
    b.transpose(
      dy,
      perm.map((_, i) => perm.indexOf(i)),
    ),
  ],
  expand: ({ inputs: [x] }, dy) => [unbroadcast(dy, x.shape)],
  concat: ({ inputs }, dy, { axis }) => {
    let start = 0;
    return inputs.map((x) => {
      const size = x.shape[axis];
      if (typeof size !== 'number')
        throw new EngineError({
          code: 'ENGINE_NOT_DIFFERENTIABLE',
          message: `concat on axis ${axis} joins a part of unknown size ${size}`,
          remedy: 'Differentiate through concat only on axes of known size.',
        });
      start += size;
      return b.slice(dy, axis, start - size, start);
    });
  },
  slice: ({ inputs: [x] }, dy, { axis, start, end }) => {
    const size = x.shape[axis] as number;
    const zeros = (n: number) =>
      b.expand(
        b.constant(0),
        x.shape.map((d, i) => (i === axis ? n : d)),
      );
    const parts = [...(start > 0 ? [zeros(start)] : []), dy, ...(end < size ? [zeros(size - end)] : [])];
    return [parts.length === 1 ? dy : b.concat(parts, axis)];
  },
  gather_rows: ({ inputs: [x, index] }, dy) => [b.scatterRows(dy, index, x.shape[0]), null],
  scatter_rows: ({ inputs: [, index] }, dy) => [b.gatherRows(dy, index), null],
  pad: ({ inputs: [, slotOf, real, place] }, dy) => [b.unpad(dy, { slotOf, real, place }), null, null, null],
  unpad: ({ inputs: [, slotOf, real, place] }, dy) => [
    b.pad(dy, { slotOf, real, place }, { clear: true }),
    null,
    null,
    null,
  ],

  reduce_sum: ({ inputs: [x] }, dy, { axes, keep }) => [spread(dy, x, axes, keep)],
  reduce_mean: (node, dy, { axes, keep }) => {
    const [x] = node.inputs;
    const sizes = axes.map((a) => x.shape[a]);
    if (sizes.some((s) => typeof s !== 'number')) return twice('reduce_mean')();
    const count = (sizes as number[]).reduce((p, s) => p * s, 1);
    return [b.mul(spread(dy, x, axes, keep), 1 / count)];
  },
  reduce_max: twice('reduce_max'),

  softmax: (node, dy) => [b.softmaxGrad(node, dy)],
  softmax_grad: twice('softmax_grad'),
  // With r = 1/sqrt(mean(x^2) + eps), n = x r and g = dy w: dx = r (g - n mean(g n)), dw = sum over rows of dy n.
  rms_norm: ({ inputs: [x, w] }, dy, { eps }) => {
    const last = x.shape.length - 1;
    const r = b.div(1, b.sqrt(b.add(b.reduceMean(b.mul(x, x), [last], true), eps)));
    const n = b.mul(x, r);
    const g = b.mul(dy, w);
    const dx = b.mul(r, b.sub(g, b.mul(n, b.reduceMean(b.mul(g, n), [last], true))));
    return [dx, unbroadcast(b.mul(dy, n), w.shape)];
  },
  rope: ({ inputs: [, cos, sin] }, dy, { inverse, interleaved }) => [
    b.rope(dy, cos, sin, { inverse: !inverse, interleaved }),
    null,
    null,
  ],
  nll: ({ inputs: [logits, labels] }, dy) => [b.nllGrad(logits, labels, dy), null],
  nll_grad: twice('nll_grad'),
  argmax: twice('argmax'),
};
