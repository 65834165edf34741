// Simplification changes no value, not even in its last bit, and never makes a graph longer.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { gradient } from '../grad/gradient.ts';
import * as b from '../graph/build.ts';
import { makeGraph, type Node, topological } from '../graph/node.ts';
import { printGraph } from '../graph/print.ts';
import { relativeError, runOnnx } from '../run/compare.ts';
import { evaluateReference, type HostValue } from '../run/reference.ts';
import { simplify } from './simplify.ts';

const x = b.makeInput('x', ['N', 4]);
const y = b.makeInput('y', ['N', 4]);
const w = b.makeInput('w', [4]);
const FEEDS = new Map<string, HostValue>(
  Object.entries({ x: [3, 4], y: [3, 4], w: [4] }).map(([name, dims], k) => [
    name,
    {
      dims,
      dtype: 'f32',
      data: Float64Array.from({ length: dims.reduce((p, d) => p * d) }, (_, i) =>
        Math.fround(Math.cos(i * 1.3 + k)),
      ),
    },
  ]),
);

/** What a step does with two values made before; the shapes that occur are [N, 4], [4] and []. */
const steps: ((p: Node, q: Node) => Node)[] = [
  b.add,
  b.sub,
  b.mul,
  (p, q) => b.div(p, b.add(b.mul(q, q), 1)),
  b.neg,
  b.sigmoid,
  (p) => b.add(p, 0),
  (p) => b.mul(1, p),
  (p) => b.neg(b.neg(p)),
  (p) => b.mul(p, b.neg(b.constant(2))),
  (p) => (p.shape.length === 2 ? b.reshape(b.reshape(p, ['N', 2, 2]), ['N', 4]) : p),
  (p) => (p.shape.length === 2 ? b.transpose(b.transpose(p, [1, 0]), [1, 0]) : p),
  (p) => b.expand(p, ['N', 4]),
  (p) => (p.shape.length === 2 ? b.reduceSum(p, [0]) : p),
  (p) => (p.shape.length === 2 ? b.matmul(b.matmul(p, y, { transB: true }), x) : p),
];

const graphs = fc
  .array(fc.tuple(fc.nat(steps.length - 1), fc.nat(50), fc.nat(50)), { minLength: 1, maxLength: 14 })
  .map((plan) => {
    const made: Node[] = [x, y, w, b.constant(0), b.constant(1)];
    for (const [step, p, q] of plan) made.push(steps[step](made[p % made.length], made[q % made.length]));
    // x and y stay outputs, so that every size can be read off an input.
    return makeGraph('random', {
      last: made[made.length - 1],
      middle: made[made.length >> 1],
      x_again: x,
      y_again: y,
    });
  });

test('the values stay the same, bit for bit', () => {
  fc.assert(
    fc.property(graphs, (graph) => {
      const simple = simplify(graph);
      const length = (g: typeof graph) => topological(g.outputs.values()).length;
      expect(length(simple)).toBeLessThanOrEqual(length(graph));
      const actual = evaluateReference(simple, FEEDS);
      for (const [name, { dims, data }] of evaluateReference(graph, FEEDS)) {
        expect(actual.get(name)?.dims).toEqual(dims);
        // Adding 0 may turn -0 into 0; that is the one difference.
        expect(actual.get(name)?.data.map((v) => v + 0)).toEqual(data.map((v) => v + 0));
      }
    }),
    { numRuns: 300 },
  );
});

test('lowered after simplification, ONNX Runtime computes what the reference does of the original', async () => {
  await fc.assert(
    fc.asyncProperty(graphs, async (graph) => {
      const actual = await runOnnx(graph, FEEDS);
      for (const [name, value] of evaluateReference(graph, FEEDS)) {
        const scale = value.data.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
        // Numbers that cancel or overflow float32 say nothing.
        if (scale > 1e-3 && scale < 1e30)
          expect(relativeError(actual.get(name) as HostValue, value), name).toBeLessThan(1e-3);
      }
    }),
    // A fixed seed: how much a random chain amplifies float32 rounding has no bound.
    { numRuns: 60, seed: 7 },
  );
});

describe('rules', () => {
  const a = b.makeInput('a', ['N', 4]);
  const cases: [string, Node, string[]][] = [
    [
      'equal nodes become one',
      b.mul(b.exp(a), b.exp(a)),
      ['%0: f32[N, 4] = exp(a)', '%1: f32[N, 4] = mul(%0, %0)'],
    ],
    ['a sum with zero is its operand', b.neg(b.add(0, a)), ['%0: f32[N, 4] = neg(a)']],
    [
      'a zero that stretches its operand stays',
      b.add(b.reduceSum(a, [0, 1]), b.expand(b.constant(0), [2])),
      [
        '%0: f32[] = reduce_sum(a, axes=[0, 1])',
        '%1: f32[] = constant(value=0)',
        '%2: f32[2] = expand(%1, shape=[2])',
        '%3: f32[2] = add(%0, %2)',
      ],
    ],
    ['a product with one is its operand', b.neg(b.mul(a, 1)), ['%0: f32[N, 4] = neg(a)']],
    ['two negations cancel', b.exp(b.neg(b.neg(a))), ['%0: f32[N, 4] = exp(a)']],
    [
      'reshapes join',
      b.reshape(b.reshape(a, ['N', 2, 2]), ['N', 4, 1]),
      ['%0: f32[N, 4, 1] = reshape(a, shape=[N, 4, 1])'],
    ],
    [
      'reshapes there and back vanish',
      b.exp(b.reshape(b.reshape(a, ['N', 2, 2]), ['N', 4])),
      ['%0: f32[N, 4] = exp(a)'],
    ],
    [
      'transposes join',
      b.transpose(b.transpose(b.reshape(a, ['N', 2, 2]), [1, 2, 0]), [1, 2, 0]),
      ['%0: f32[N, 2, 2] = reshape(a, shape=[N, 2, 2])', '%1: f32[2, N, 2] = transpose(%0, perm=[2, 0, 1])'],
    ],
    [
      'constants that JSON cannot tell apart stay apart',
      b.add(b.mul(a, Number.POSITIVE_INFINITY), Number.NEGATIVE_INFINITY),
      [
        '%0: f32[] = constant(value=Infinity)',
        '%1: f32[N, 4] = mul(a, %0)',
        '%2: f32[] = constant(value=-Infinity)',
        '%3: f32[N, 4] = add(%1, %2)',
      ],
    ],
  ];
  test.each(cases)('%s', (_name, out, lines) => {
    const text = printGraph(simplify(makeGraph('g', { out })));
    expect(
      text
        .split('\n')
        .filter((line) => line.startsWith('  %'))
        .map((line) => line.trim()),
    ).toEqual(lines);
  });
});

test('gradients of the slices of one array are joined, not added', () => {
  const all = b.makeInput('all', ['N', 9]);
  const [p, q, r] = [
    [0, 4],
    [4, 6],
    [6, 9],
  ].map(([start, end]) => b.slice(all, 1, start, end));
  const outputs = { p: b.sqrt(p), q: b.exp(q), r: b.sigmoid(r) };
  const seeds = Object.entries(outputs).map(([name, node]) => ({
    node,
    cotangent: b.makeInput(`d_${name}`, node.shape),
  }));
  const backwards = (parts: typeof seeds) =>
    makeGraph('backward', { d_all: gradient(parts, [all])[0] as Node });
  const count = (graph: ReturnType<typeof backwards>, op: string) =>
    topological(graph.outputs.values()).filter((n) => n.op === op).length;
  const feeds = new Map<string, HostValue>(
    Object.entries({ all: 9, d_p: 4, d_q: 2, d_r: 3 }).map(([name, width], k) => [
      name,
      {
        dims: [5, width],
        dtype: 'f32',
        data: Float64Array.from({ length: 5 * width }, (_, i) => 2 + Math.cos(i + k)),
      },
    ]),
  );
  for (const parts of [seeds, [seeds[2], seeds[0]], [seeds[1], seeds[0]], [seeds[0]]]) {
    const plain = backwards(parts);
    const simple = simplify(plain);
    expect(count(simple, 'concat')).toBe(1);
    expect(count(simple, 'add')).toBe(0);
    expect(evaluateReference(simple, feeds)).toEqual(evaluateReference(plain, feeds));
  }
});
