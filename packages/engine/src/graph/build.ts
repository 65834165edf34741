// In: nodes. Out: nodes. One short function per operation, so that layers read like formulas. Numbers become constants.
import type { Dim } from './dim.ts';
import { inferRules } from './infer.ts';
import type { Node } from './node.ts';
import type { DType, Op, OpAttrs } from './op.ts';

let nextId = 1;

function makeNode<O extends Op>(op: O, attrs: OpAttrs[O], inputs: readonly Node[], keep = false): Node<O> {
  const { shape, dtype } = inferRules[op](attrs, inputs);
  return { id: nextId++, op, attrs, inputs, shape, dtype, keep };
}

export function makeInput(name: string, shape: readonly Dim[], dtype: DType = 'f32'): Node<'input'> {
  return { id: nextId++, op: 'input', attrs: { name }, inputs: [], shape, dtype, keep: false };
}

/** The same node, marked as dear to recompute. */
export function keep(node: Node): Node {
  return node.op === 'input' || node.keep ? node : { ...node, id: nextId++, keep: true };
}

type Operand = Node | number;

export const constant = (value: number): Node => makeNode('constant', { value }, []);
const lift = (x: Operand): Node => (typeof x === 'number' ? constant(x) : x);

const binary =
  (op: Op & ('add' | 'sub' | 'mul' | 'div')) =>
  (a: Operand, b: Operand): Node =>
    makeNode(op, {}, [lift(a), lift(b)]);
export const add = binary('add');
export const sub = binary('sub');
export const mul = binary('mul');
export const div = binary('div');

const unary =
  (op: Op & ('neg' | 'exp' | 'log' | 'sqrt' | 'sigmoid' | 'silu' | 'tanh' | 'gelu_tanh')) =>
  (x: Node): Node =>
    makeNode(op, {}, [x]);
export const neg = unary('neg');
export const exp = unary('exp');
export const log = unary('log');
export const sqrt = unary('sqrt');
export const sigmoid = unary('sigmoid');
export const silu = unary('silu');
export const tanh = unary('tanh');
export const geluTanh = unary('gelu_tanh');
export const cast = (x: Node, to: DType): Node => (x.dtype === to ? x : makeNode('cast', { to }, [x]));

export const matmul = (
  a: Node,
  b: Node,
  { transA = false, transB = false, alpha = 1 }: { transA?: boolean; transB?: boolean; alpha?: number } = {},
): Node => makeNode('matmul', { transA, transB, alpha }, [a, b]);

export const reshape = (x: Node, shape: Dim[]): Node => makeNode('reshape', { shape }, [x]);
export const transpose = (x: Node, perm: number[]): Node => makeNode('transpose', { perm }, [x]);
export const expand = (x: Node, shape: Dim[]): Node => makeNode('expand', { shape }, [x]);
export const concat = (xs: Node[], axis: number): Node => makeNode('concat', { axis }, xs);
export const slice = (x: Node, axis: number, start: number, end: number): Node =>
  makeNode('slice', { axis, start, end }, [x]);
export const gatherRows = (x: Node, index: Node): Node => makeNode('gather_rows', {}, [x, index]);
export const scatterRows = (dy: Node, index: Node, rows: Dim): Node =>
  makeNode('scatter_rows', { rows }, [dy, index]);

/** How packed rows lie in a padded grid; see `pad` and `unpad` in op.ts. */
export interface Grid {
  slotOf: Node;
  real: Node;
  place: Node;
}
export const pad = (x: Node, g: Grid, { clear }: { clear: boolean }): Node =>
  makeNode('pad', { clear }, [x, g.slotOf, g.real, g.place]);
export const unpad = (x: Node, g: Grid): Node => makeNode('unpad', {}, [x, g.slotOf, g.real, g.place]);

export const reduceSum = (x: Node, axes: number[], keep = false): Node =>
  makeNode('reduce_sum', { axes, keep }, [x]);
export const reduceMean = (x: Node, axes: number[], keep = false): Node =>
  makeNode('reduce_mean', { axes, keep }, [x]);
export const reduceMax = (x: Node, axes: number[], keep = false): Node =>
  makeNode('reduce_max', { axes, keep }, [x]);

export const softmax = (x: Node): Node => makeNode('softmax', {}, [x]);
export const softmaxGrad = (y: Node, dy: Node): Node => makeNode('softmax_grad', {}, [y, dy]);
export const rmsNorm = (x: Node, w: Node, eps: number): Node => makeNode('rms_norm', { eps }, [x, w]);
export const rope = (
  x: Node,
  cos: Node,
  sin: Node,
  { inverse = false, interleaved = false }: { inverse?: boolean; interleaved?: boolean } = {},
): Node => makeNode('rope', { inverse, interleaved }, [x, cos, sin]);
export const nll = (logits: Node, labels: Node): Node => makeNode('nll', {}, [logits, labels]);
export const nllGrad = (logits: Node, labels: Node, dy: Node): Node =>
  makeNode('nll_grad', {}, [logits, labels, dy]);
export const argmax = (x: Node): Node => makeNode('argmax', {}, [x]);
