// In: nothing. Out: for tests: every operation on several shapes with fixed and symbolic sizes, and graphs and feeds made of
// such a case. An operation without a case does not compile.
import * as b from '../graph/build.ts';
import { type Dim, evaluate } from '../graph/dim.ts';
import { type Graph, makeGraph, type Node, topological } from '../graph/node.ts';
import type { DType, Op } from '../graph/op.ts';
import type { HostValue } from './reference.ts';

export interface OpCase {
  build: () => Node;
  /** Values by input name, where any number from -2 to 2 will not do. */
  values?: Record<string, (i: number) => number>;
  /** f32 inputs that carry no gradient. */
  frozen?: string[];
  /** 'refused': asking for the gradient is an error. 'stepped': it exists, but the function has steps. */
  gradient?: 'refused' | 'stepped';
}

/** Sizes of the symbols that the cases use. */
const SIZES = new Map([
  ['N', 4],
  ['T', 3],
  ['B', 2],
  ['M', 5],
]);

const x = (...shape: Dim[]) => b.makeInput('x', shape);
const y = (...shape: Dim[]) => b.makeInput('y', shape);
const typed = (dtype: DType, ...shape: Dim[]) => b.makeInput('x', shape, dtype);
const index = (dim: Dim) => b.makeInput('index', [dim], 'i32');

const positive = (i: number) => 0.5 + ((i * 37) % 21) / 10;
const below = (n: number) => (i: number) => (i * 7 + 1) % n;
const aroundZero = (i: number) => ((i * 37 + 20) % 41) - 20 + 0.625;

const shapes: [Dim[], Dim[]][] = [
  [
    [2, 3],
    [2, 3],
  ],
  [
    ['N', 3],
    ['N', 3],
  ],
  [['N', 'T'], ['T']],
  [[3], ['N', 3]],
  [
    ['N', 1],
    ['N', 'T'],
  ],
  [
    [2, 1, 'T'],
    [1, 'N', 1],
  ],
  [[], ['N', 2]],
];
const binaryCases = (op: (p: Node, q: Node) => Node, values?: OpCase['values']): OpCase[] => [
  ...shapes.map(([p, q]) => ({ build: () => op(x(...p), y(...q)), values })),
  { build: () => op(x('N', 3), b.constant(2)), values },
  { build: () => op(b.constant(-1.5), x('N', 3)), values },
];
const arrays: Dim[][] = [[7], [2, 3], ['N', 'T'], ['B', 'N', 2]];
const unaryCases = (
  op: (p: Node) => Node,
  values?: OpCase['values'],
  shapes: Dim[][] = [[], ...arrays],
): OpCase[] => shapes.map((shape) => ({ build: () => op(x(...shape)), values }));

type Product = { transA?: boolean; transB?: boolean; alpha?: number };
const productCase = (lead: Dim[], options: Product, [m, k, n]: [Dim, Dim, Dim] = ['N', 4, 3]): OpCase => ({
  build: () =>
    b.matmul(
      x(...lead, ...(options.transA ? [k, m] : [m, k])),
      y(...lead, ...(options.transB ? [n, k] : [k, n])),
      options,
    ),
});

const reduceCases = (op: (p: Node, axes: number[], keep?: boolean) => Node): OpCase[] => [
  { build: () => op(x(2, 3), [1]) },
  { build: () => op(x('N', 3, 2), [1, 2]) },
  { build: () => op(x('N', 3, 'T'), [1], true) },
  { build: () => op(x(2, 'N', 3), [0, 2], true) },
  { build: () => op(x(2, 3), [0, 1]) },
];
const overSymbols = (op: (p: Node, axes: number[]) => Node): OpCase[] => [
  { build: () => op(x('N', 'T'), [0]) },
  { build: () => op(x('N', 'T', 2), [0, 1]) },
];

// Four real rows in a grid of two rows of three: slots 0, 1, 3 and 5.
const grid = (real: Dim, slots: Dim): b.Grid => ({
  slotOf: b.makeInput('slot_of', [slots], 'i32'),
  real: b.makeInput('real', [slots, 1]),
  place: b.makeInput('place', [real], 'i32'),
});
const gridValues = {
  slot_of: (i: number) => [0, 1, 0, 2, 0, 3][i],
  real: (i: number) => [1, 1, 0, 1, 0, 1][i],
  place: (i: number) => [0, 1, 3, 5][i],
};

const rope = (
  n: Dim,
  heads: number,
  d: number,
  inverse: boolean,
  { rotated = d, interleaved = false } = {},
): OpCase => ({
  build: () => {
    const [cos, sin] = ['cos', 'sin'].map((name) => b.makeInput(name, [n, 1, rotated / 2]));
    return b.rope(x(n, heads, d), cos, sin, { inverse, interleaved });
  },
  values: { cos: (i) => Math.cos(i * 0.7), sin: (i) => Math.sin(i * 0.7) },
  frozen: ['cos', 'sin'],
});

const castCase = (
  from: DType,
  to: DType,
  value: (i: number) => number,
  more: Partial<OpCase> = {},
): OpCase => ({
  build: () => b.cast(typed(from, 'N', 5), to),
  values: { x: value },
  ...more,
});

const wide = { x: (i: number) => 300 * Math.sin(i * i) };

export const cases: { [O in Op]: OpCase[] } = {
  input: [{ build: () => x('N', 3) }],
  constant: [{ build: () => b.constant(0.25) }, { build: () => b.constant(-1e30) }],

  add: binaryCases(b.add),
  sub: binaryCases(b.sub),
  mul: binaryCases(b.mul),
  div: binaryCases(b.div, { x: aroundZero, y: positive }),
  neg: unaryCases(b.neg),
  exp: unaryCases(b.exp),
  log: unaryCases(b.log, { x: positive }),
  sqrt: unaryCases(b.sqrt, { x: positive }),
  sigmoid: [...unaryCases(b.sigmoid), ...unaryCases(b.sigmoid, { x: aroundZero })],
  silu: [...unaryCases(b.silu), ...unaryCases(b.silu, { x: aroundZero })],
  tanh: [...unaryCases(b.tanh), ...unaryCases(b.tanh, { x: aroundZero })],
  gelu_tanh: [
    ...unaryCases(b.geluTanh, undefined, arrays),
    ...unaryCases(b.geluTanh, { x: aroundZero }, arrays),
  ],
  cast: [
    castCase('f32', 'f16', aroundZero, { gradient: 'stepped' }),
    // Halfway cases, the largest finite half, overflow, subnormal halves and zero.
    castCase('f32', 'f16', (i) => [2049, 2051, 65504, 1e6, -1e6, 5.9604645e-8, 1e-7, -3e-5, 0, 0.1][i % 10], {
      gradient: 'stepped',
    }),
    castCase('f32', 'i32', aroundZero, { frozen: ['x'] }),
    castCase('f32', 'i64', aroundZero, { frozen: ['x'] }),
    castCase('f32', 'u8', positive, { frozen: ['x'] }),
    castCase('f16', 'f32', (i) => [0x3c00, 0xc000, 0x7bff, 0x0001, 0x83ff, 0x3555, 0x0000, 0x0400][i % 8]),
    castCase('i32', 'f32', (i) => i - 9),
    castCase('i32', 'i64', (i) => i - 9),
    castCase('i64', 'i32', (i) => i - 9),
    castCase('u8', 'f32', (i) => i * 13),
    castCase('i32', 'u8', (i) => i * 13),
  ],

  matmul: [
    productCase([], {}, [2, 3, 4]),
    productCase([], { alpha: -0.5 }),
    productCase([], { transA: true }),
    productCase([], { transB: true }),
    productCase([], { transA: true, transB: true, alpha: 2 }),
    productCase([], {}, ['N', 'T', 'B']),
    productCase(['B'], {}),
    productCase(['B'], { alpha: 0.125 }),
    productCase(['B', 2], { transA: true }, ['N', 'T', 3]),
    productCase(['B', 2], { transB: true, alpha: 0.25 }, ['N', 5, 'T']),
    productCase([3, 'B'], { transA: true, transB: true, alpha: -2 }),
    productCase([2], { transA: true, transB: true }, [1, 1, 1]),
  ],

  reshape: [
    { build: () => b.reshape(x(2, 6), [3, 4]) },
    { build: () => b.reshape(x('N', 6), ['N', 2, 3]) },
    { build: () => b.reshape(x('B', 'T', 4), ['B*T', 4]) },
    { build: () => b.reshape(x('B', 'T', 4), ['B', 'T', 2, 2]) },
    { build: () => b.reshape(x('N', 1), ['N']) },
    { build: () => b.reshape(x(1, 1), []) },
  ],
  transpose: [
    { build: () => b.transpose(x(2, 3), [1, 0]) },
    { build: () => b.transpose(x('B', 'T', 2, 3), [0, 2, 1, 3]) },
    { build: () => b.transpose(x('B', 'T', 2), [2, 0, 1]) },
    { build: () => b.transpose(x(2, 3, 'N'), [1, 2, 0]) },
  ],
  expand: [
    { build: () => b.expand(x(1, 3), [2, 3]) },
    { build: () => b.expand(x('N', 1), ['N', 'T']) },
    { build: () => b.expand(x(3), ['B', 'N', 3]) },
    { build: () => b.expand(x(), ['N', 2]) },
  ],
  concat: [
    { build: () => b.concat([x(2, 3), y(2, 1)], 1) },
    { build: () => b.concat([x('N', 3), y('N', 2), b.makeInput('z', ['N', 4])], 1) },
    { build: () => b.concat([x(2, 'N', 3), y(1, 'N', 3)], 0) },
    { build: () => b.concat([x('N', 3), y('T', 3)], 0), gradient: 'refused' },
  ],
  slice: [
    { build: () => b.slice(x('N', 6), 1, 0, 3) },
    { build: () => b.slice(x('N', 6), 1, 2, 5) },
    { build: () => b.slice(x(4, 'N', 'T'), 0, 3, 4) },
    { build: () => b.slice(x(5), 0, 0, 5) },
  ],
  gather_rows: [
    { build: () => b.gatherRows(x(3, 2), index('M')), values: { index: below(3) } },
    { build: () => b.gatherRows(x('N', 2, 3), index('M')), values: { index: below(4) } },
    { build: () => b.gatherRows(x('N'), index(6)), values: { index: below(4) } },
  ],
  scatter_rows: [
    { build: () => b.scatterRows(x('M', 2), index('M'), 'N'), values: { index: below(4), x: aroundZero } },
    { build: () => b.scatterRows(x('M', 2, 'T'), index('M'), 3), values: { index: below(3) } },
    { build: () => b.scatterRows(x('M'), index('M'), 'N'), values: { index: below(2) } },
  ],
  pad: [
    {
      build: () => b.pad(x('N', 3), grid('N', 6), { clear: true }),
      values: gridValues,
      frozen: ['real'],
    },
    {
      build: () => b.pad(x('N', 'M'), grid('N', 'B*T'), { clear: true }),
      values: gridValues,
      frozen: ['real'],
    },
  ],
  unpad: [
    { build: () => b.unpad(x(6, 3), grid('N', 6)), values: gridValues, frozen: ['real'] },
    {
      // Padding that was not cleared may hold anything; what comes back does not depend on it.
      build: () => b.unpad(b.pad(x('N', 3), grid('N', 6), { clear: false }), grid('N', 6)),
      values: gridValues,
      frozen: ['real'],
    },
    { build: () => b.unpad(x('B*T', 'M'), grid('N', 'B*T')), values: gridValues, frozen: ['real'] },
  ],

  reduce_sum: [...reduceCases(b.reduceSum), ...overSymbols(b.reduceSum)],
  reduce_mean: [
    ...reduceCases(b.reduceMean),
    ...overSymbols(b.reduceMean).map((c): OpCase => ({ ...c, gradient: 'refused' })),
  ],
  reduce_max: [...reduceCases(b.reduceMax), ...overSymbols(b.reduceMax)].map((c) => ({
    ...c,
    gradient: 'refused',
  })),

  softmax: [
    { build: () => b.softmax(x(5)) },
    { build: () => b.softmax(x('N', 'T')) },
    { build: () => b.softmax(x('B', 2, 'N', 3)) },
    { build: () => b.softmax(x('N', 7)), values: { x: (i) => 300 + aroundZero(i) / 8 } },
  ],
  softmax_grad: [
    { build: () => b.softmaxGrad(x(2, 3), y(2, 3)), gradient: 'refused' },
    { build: () => b.softmaxGrad(x('B', 'N', 'T'), y('B', 'N', 'T')), gradient: 'refused' },
  ],
  rms_norm: [
    { build: () => b.rmsNorm(x(2, 6), y(6), 1e-5) },
    { build: () => b.rmsNorm(x('N', 8), y(8), 1e-6) },
    { build: () => b.rmsNorm(x('N', 2, 4), y(4), 0.5) },
  ],
  rope: [
    rope('N', 1, 4, false),
    rope('N', 3, 8, false),
    rope('N', 3, 8, true),
    rope(2, 2, 2, false),
    rope('B*T', 2, 16, true),
    rope('N', 3, 12, false, { rotated: 8 }),
    rope('B*T', 2, 8, true, { rotated: 2 }),
    rope('N', 2, 8, false, { interleaved: true }),
    rope('N', 3, 8, true, { rotated: 4, interleaved: true }),
  ],
  nll: [
    { build: () => b.nll(x(3, 5), b.makeInput('label', [3], 'i32')), values: { label: below(5) } },
    { build: () => b.nll(x('N', 7), b.makeInput('label', ['N'], 'i32')), values: { label: below(7) } },
    {
      build: () => b.nll(x('N', 'T'), b.makeInput('label', ['N'], 'i32')),
      values: { label: below(3), ...wide },
    },
  ],
  nll_grad: [
    {
      build: () => b.nllGrad(x('N', 7), b.makeInput('label', ['N'], 'i32'), y('N')),
      values: { label: below(7) },
      gradient: 'refused',
    },
    {
      build: () => b.nllGrad(x('N', 'T'), b.makeInput('label', ['N'], 'i32'), y('N')),
      values: { label: below(3), ...wide },
      gradient: 'refused',
    },
  ],
  argmax: [
    { build: () => b.argmax(x(6)), gradient: 'refused' },
    { build: () => b.argmax(x('N', 9)), gradient: 'refused' },
    { build: () => b.argmax(x('B', 'N', 'T')), gradient: 'refused' },
  ],
};

/** Reproducible values from -2 to 2 that float32 holds exactly. */
const anyNumber = (seed: string) => {
  let state = [...seed].reduce((h, c) => Math.imul(h ^ c.charCodeAt(0), 16777619), 2166136261);
  return () => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9;
    return (((state >>> 8) & 0xffff) - 0x8000) / 0x4000;
  };
};

/** A graph of which every size can be read off an input: where the operands do not show one, another input does. */
export function graphOf(name: string, outputs: Map<string, Node>): Graph {
  const graph = makeGraph(name, outputs);
  const shown = new Set(graph.inputs.flatMap((n) => n.shape));
  const hidden = topological(outputs.values())
    .flatMap((n) => n.shape)
    .some((d) => typeof d === 'string' && d.split('*').some((symbol) => !shown.has(symbol)));
  return hidden
    ? makeGraph(name, new Map([...outputs, ['sizes', b.makeInput('size', [...SIZES.keys()])]]))
    : graph;
}

export function feed(graph: Graph, values: OpCase['values'] = {}): Map<string, HostValue> {
  return new Map(
    graph.inputs.map(({ attrs: { name }, shape, dtype }) => {
      const dims = shape.map((d) => evaluate(d, SIZES));
      const value = values[name] ?? anyNumber(name);
      const data = Float64Array.from({ length: dims.reduce((p, d) => p * d, 1) }, (_, i) =>
        dtype === 'f32' ? Math.fround(value(i)) : value(i),
      );
      return [name, { dims, dtype, data }];
    }),
  );
}

export const describeNode = (node: Node): string =>
  `${node.inputs.map((i) => `${i.dtype}[${i.shape}]`).join(' ')} -> ${node.dtype}[${node.shape}] ${JSON.stringify(node.attrs)}`;

export const floatInputs = (graph: Graph) =>
  graph.inputs.filter((n) => n.dtype === 'f32' && n.attrs.name !== 'size');

/** Reverse mode, which this folder does not know. */
type Gradient = (
  outputs: { node: Node; cotangent: Node }[],
  wrt: Node[],
) => readonly (Node | null | undefined)[];

/** The graph of the gradients by all inputs that carry one, and feeds for it: those of `forward` and a cotangent. */
export function backwardOf(
  gradient: Gradient,
  c: OpCase,
  out: Node,
  forward: Graph,
  feeds: ReadonlyMap<string, HostValue>,
): { backward: Graph; all: Map<string, HostValue> } {
  const wrt = floatInputs(forward);
  const cotangent = b.makeInput('d_out', out.shape, out.dtype);
  const gradients = gradient([{ node: out, cotangent }], wrt);
  const found = new Map<string, Node>(
    wrt.flatMap((n, j): [string, Node][] => {
      const found = gradients[j];
      return found ? [[`d_${n.attrs.name}`, found]] : [];
    }),
  );
  const backward = graphOf('backward', found);
  const half = (i: number) => 0x3800 + i * 97;
  const given = { ...c.values, ...(out.dtype === 'f16' ? { d_out: half } : {}) };
  const all = new Map([...feeds, ...feed(makeGraph('seed', { cotangent }), given), ...feed(backward, given)]);
  return { backward, all };
}
