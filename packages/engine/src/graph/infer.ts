// In: an operation's attributes and input nodes. Out: the shape and dtype of its result, or an EngineError that names
// the operation and what it found. One rule per operation.
import { EngineError } from '../errors.ts';
import { type Dim, product, sameShape, sum } from './dim.ts';
import type { Node } from './node.ts';
import type { DType, Op, OpAttrs } from './op.ts';

interface Inferred {
  shape: Dim[];
  dtype: DType;
}
type InferRule<O extends Op> = (attrs: OpAttrs[O], inputs: readonly Node[]) => Inferred;
type InferRules = { [O in Op]: InferRule<O> };

function fail(op: Op, inputs: readonly Node[], expected: string): EngineError {
  const found = inputs.map((n) => `${n.dtype}[${n.shape.join(', ')}]`).join(' and ');
  return new EngineError({
    code: 'ENGINE_BAD_SHAPE',
    message: `${op}: expected ${expected}, found ${found}`,
    remedy: `Change the operands of ${op} so that their shapes and dtypes agree.`,
  });
}

/** NumPy broadcasting over symbolic sizes: equal, or one of them 1. */
export function broadcast(op: Op, inputs: readonly Node[]): Dim[] {
  const rank = Math.max(...inputs.map((n) => n.shape.length));
  const out: Dim[] = [];
  for (let i = 0; i < rank; i++) {
    let dim: Dim = 1;
    for (const n of inputs) {
      const d = n.shape[i - rank + n.shape.length] ?? 1;
      if (d === 1 || d === dim) continue;
      if (dim !== 1) throw fail(op, inputs, 'shapes that broadcast');
      dim = d;
    }
    out.push(dim);
  }
  return out;
}

const floatBinary =
  (op: Op): InferRule<Op> =>
  (_attrs, inputs) => {
    if (inputs.some((n) => n.dtype !== 'f32')) throw fail(op, inputs, 'f32 operands');
    return { shape: broadcast(op, inputs), dtype: 'f32' };
  };

const floatUnary =
  (op: Op): InferRule<Op> =>
  (_attrs, [x]) => {
    if (x.dtype !== 'f32') throw fail(op, [x], 'an f32 operand');
    return { shape: [...x.shape], dtype: 'f32' };
  };

type Reduction = 'reduce_sum' | 'reduce_mean' | 'reduce_max';
const reduce =
  (op: Reduction) =>
  ({ axes, keep }: OpAttrs[Reduction], [x]: readonly Node[]): Inferred => {
    if (x.dtype !== 'f32' || axes.length === 0 || axes.some((a) => x.shape[a] === undefined))
      throw fail(op, [x], `an f32 operand that has the axes (${axes})`);
    return {
      shape: x.shape.flatMap((d, i) => (axes.includes(i) ? (keep ? [1] : []) : [d])),
      dtype: 'f32',
    };
  };

const isGrid = (slotOf: Node, real: Node, place: Node): boolean =>
  [slotOf, place].every((n) => n.shape.length === 1 && n.dtype === 'i32') &&
  sameShape(real.shape, [slotOf.shape[0], 1]);

export const inferRules: InferRules = {
  input: () => {
    throw new EngineError({
      code: 'ENGINE_BAD_SHAPE',
      message: 'an input has no operands to infer its shape from',
      remedy: 'Use makeInput(name, shape, dtype).',
    });
  },
  constant: () => ({ shape: [], dtype: 'f32' }),
  add: floatBinary('add'),
  sub: floatBinary('sub'),
  mul: floatBinary('mul'),
  div: floatBinary('div'),
  neg: floatUnary('neg'),
  exp: floatUnary('exp'),
  log: floatUnary('log'),
  sqrt: floatUnary('sqrt'),
  sigmoid: floatUnary('sigmoid'),
  silu: floatUnary('silu'),
  tanh: floatUnary('tanh'),
  gelu_tanh: (_attrs, [x]) => {
    if (x.dtype !== 'f32' || x.shape.length === 0)
      throw fail('gelu_tanh', [x], 'an f32 operand with an axis');
    return { shape: [...x.shape], dtype: 'f32' };
  },
  cast: ({ to }, [x]) => ({ shape: [...x.shape], dtype: to }),

  matmul: ({ transA, transB }, [a, b]) => {
    const ra = a.shape.length;
    const rb = b.shape.length;
    if (ra < 2 || ra !== rb || a.dtype !== 'f32' || b.dtype !== 'f32')
      throw fail('matmul', [a, b], 'two f32 operands of equal rank, at least 2');
    const lead = a.shape.slice(0, -2);
    if (!sameShape(lead, b.shape.slice(0, -2))) throw fail('matmul', [a, b], 'equal leading sizes');
    const [m, ka] = transA ? [a.shape[ra - 1], a.shape[ra - 2]] : [a.shape[ra - 2], a.shape[ra - 1]];
    const [kb, n] = transB ? [b.shape[rb - 1], b.shape[rb - 2]] : [b.shape[rb - 2], b.shape[rb - 1]];
    if (ka !== kb) throw fail('matmul', [a, b], `equal inner sizes (transA ${transA}, transB ${transB})`);
    return { shape: [...lead, m, n], dtype: 'f32' };
  },

  reshape: ({ shape }, [x]) => {
    if (product(shape) !== product(x.shape))
      throw fail('reshape', [x], `as many elements as [${shape.join(', ')}]`);
    return { shape: [...shape], dtype: x.dtype };
  },
  transpose: ({ perm }, [x]) => {
    if (perm.length !== x.shape.length || [...perm].sort().some((p, i) => p !== i))
      throw fail('transpose', [x], `a permutation of ${x.shape.length} axes, got (${perm})`);
    return { shape: perm.map((p) => x.shape[p]), dtype: x.dtype };
  },
  expand: ({ shape }, [x]) => {
    const offset = shape.length - x.shape.length;
    if (offset < 0 || x.shape.some((d, i) => d !== 1 && d !== shape[i + offset]))
      throw fail('expand', [x], `a shape that broadcasts to [${shape.join(', ')}]`);
    return { shape: [...shape], dtype: x.dtype };
  },
  concat: ({ axis }, inputs) => {
    const [first, ...rest] = inputs;
    const fits = (n: Node) =>
      n.dtype === first.dtype &&
      n.shape.length === first.shape.length &&
      n.shape.every((d, i) => i === axis || d === first.shape[i]);
    if (first.shape[axis] === undefined || !rest.every(fits))
      throw fail('concat', inputs, `shapes equal but on axis ${axis}`);
    const shape = [...first.shape];
    for (const n of rest) shape[axis] = sum(shape[axis], n.shape[axis]);
    return { shape, dtype: first.dtype };
  },
  slice: ({ axis, start, end }, [x]) => {
    const size = x.shape[axis];
    if (typeof size !== 'number' || start < 0 || end > size || start >= end)
      throw fail('slice', [x], `a known size on axis ${axis} that holds ${start}..${end}`);
    return { shape: x.shape.map((d, i) => (i === axis ? end - start : d)), dtype: x.dtype };
  },
  gather_rows: (_attrs, [x, index]) => {
    if (x.shape.length === 0 || index.shape.length !== 1 || index.dtype !== 'i32')
      throw fail('gather_rows', [x, index], 'rows and an i32 index [m]');
    return { shape: [index.shape[0], ...x.shape.slice(1)], dtype: x.dtype };
  },
  scatter_rows: ({ rows }, [dy, index]) => {
    if (index.shape.length !== 1 || index.shape[0] !== dy.shape[0] || index.dtype !== 'i32')
      throw fail('scatter_rows', [dy, index], 'an i32 index as long as dy');
    return { shape: [rows, ...dy.shape.slice(1)], dtype: dy.dtype };
  },
  pad: (_attrs, [x, slotOf, real, place]) => {
    if (x.shape.length !== 2 || place.shape[0] !== x.shape[0] || !isGrid(slotOf, real, place))
      throw fail('pad', [x, slotOf, real, place], 'x [n, c], slot_of [g], real [g, 1], place [n]');
    return { shape: [slotOf.shape[0], x.shape[1]], dtype: x.dtype };
  },
  unpad: (_attrs, [x, slotOf, real, place]) => {
    if (x.shape.length !== 2 || slotOf.shape[0] !== x.shape[0] || !isGrid(slotOf, real, place))
      throw fail('unpad', [x, slotOf, real, place], 'x [g, c], slot_of [g], real [g, 1], place [n]');
    return { shape: [place.shape[0], x.shape[1]], dtype: x.dtype };
  },

  reduce_sum: reduce('reduce_sum'),
  reduce_mean: reduce('reduce_mean'),
  reduce_max: reduce('reduce_max'),

  softmax: floatUnary('softmax'),
  softmax_grad: (_attrs, [y, dy]) => {
    if (!sameShape(y.shape, dy.shape)) throw fail('softmax_grad', [y, dy], 'equal shapes');
    return { shape: [...y.shape], dtype: 'f32' };
  },
  rms_norm: (_attrs, [x, w]) => {
    if (w.shape.length !== 1 || w.shape[0] !== x.shape[x.shape.length - 1])
      throw fail('rms_norm', [x, w], 'a weight as long as the last axis');
    return { shape: [...x.shape], dtype: 'f32' };
  },
  rope: (_attrs, [x, cos, sin]) => {
    const d = x.shape[2];
    if (x.shape.length !== 3 || typeof d !== 'number' || d % 2 !== 0)
      throw fail('rope', [x], '[n, heads, even d]');
    const half = cos.shape[2];
    const fits = typeof half === 'number' && half <= d / 2;
    if (!fits || !sameShape(cos.shape, [x.shape[0], 1, half]) || !sameShape(sin.shape, cos.shape))
      throw fail('rope', [x, cos, sin], 'cos and sin of shape [n, 1, r/2] with r at most d');
    return { shape: [...x.shape], dtype: 'f32' };
  },
  nll: (_attrs, [logits, labels]) => {
    if (logits.shape.length !== 2 || !sameShape(labels.shape, [logits.shape[0]]) || labels.dtype !== 'i32')
      throw fail('nll', [logits, labels], 'logits [n, v] and i32 labels [n]');
    return { shape: [logits.shape[0]], dtype: 'f32' };
  },
  nll_grad: (_attrs, [logits, labels, dy]) => {
    const rows = logits.shape.slice(0, 1);
    if (
      logits.shape.length !== 2 ||
      !sameShape(labels.shape, rows) ||
      !sameShape(dy.shape, rows) ||
      labels.dtype !== 'i32'
    )
      throw fail('nll_grad', [logits, labels, dy], 'logits [n, v], i32 labels [n], dy [n]');
    return { shape: [...logits.shape], dtype: 'f32' };
  },
  argmax: (_attrs, [x]) => {
    if (x.shape.length === 0 || x.dtype !== 'f32') throw fail('argmax', [x], 'an f32 operand with an axis');
    return { shape: x.shape.slice(0, -1), dtype: 'i32' };
  },
};
