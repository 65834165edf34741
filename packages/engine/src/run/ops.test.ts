// Every operation, on several shapes with fixed and symbolic sizes: the reference against ONNX Runtime, its gradient
// against finite differences in float64, and that gradient against ONNX Runtime.
import { describe, expect, test } from 'vitest';
import { gradient } from '../grad/gradient.ts';
import * as b from '../graph/build.ts';
import { type Graph, makeGraph } from '../graph/node.ts';
import { relativeError, runOnnx } from './compare.ts';
import { backwardOf, cases, describeNode, feed, floatInputs, graphOf } from './op-cases.ts';
import { evaluateReference, type HostValue } from './reference.ts';

const dot = (p: HostValue, q: HostValue): number =>
  p.data.reduce((sum, value, i) => sum + value * q.data[i], 0);

/** d/dx of sum(out * cotangent), element by element. */
function differences(graph: Graph, feeds: Map<string, HostValue>, name: string): HostValue {
  const at = feeds.get(name) as HostValue;
  const cotangent = feeds.get('d_out') as HostValue;
  const step = 1e-5;
  const probe = (i: number, by: number) => {
    const data = at.data.slice();
    data[i] += by;
    return dot(
      evaluateReference(graph, new Map(feeds).set(name, { ...at, data })).get('out') as HostValue,
      cotangent,
    );
  };
  return { ...at, data: at.data.map((_, i) => (probe(i, step) - probe(i, -step)) / (2 * step)) };
}

async function expectAgreement(graph: Graph, feeds: Map<string, HostValue>, threads = 1): Promise<void> {
  const expected = evaluateReference(graph, feeds);
  const actual = await runOnnx(graph, feeds, threads);
  for (const [name, value] of expected)
    expect(relativeError(actual.get(name) as HostValue, value), `${name} of ${graph.name}`).toBeLessThan(
      1e-5,
    );
}

for (const [op, list] of Object.entries(cases)) {
  describe(op, () => {
    list.forEach((c, i) => {
      test(`${i}: ${describeNode(c.build())}`, async () => {
        const out = c.build();
        expect(out.op).toBe(op);
        const forward = graphOf('forward', new Map([['out', out]]));
        const feeds = feed(forward, c.values);
        await expectAgreement(forward, feeds);

        const differentiate = () => backwardOf(gradient, c, out, forward, feeds);
        if (c.gradient === 'refused') {
          expect(differentiate).toThrow(expect.objectContaining({ code: 'ENGINE_NOT_DIFFERENTIABLE' }));
          expect(differentiate).toThrow(op);
          return;
        }
        const { backward, all } = differentiate();
        const expected = floatInputs(forward)
          .map((n) => n.attrs.name)
          .filter((name) => !c.frozen?.includes(name));
        expect([...backward.outputs.keys()].filter((name) => name !== 'sizes')).toEqual(
          expected.map((name) => `d_${name}`),
        );
        if (expected.length === 0) return;
        await expectAgreement(backward, all);
        if (c.gradient === 'stepped') return;
        const values = evaluateReference(backward, all);
        for (const name of expected) {
          const value = values.get(`d_${name}`) as HostValue;
          const near = differences(forward, all, name);
          expect(value.dims, name).toEqual(near.dims);
          value.data.forEach((v, j) => {
            expect(Math.abs(v - near.data[j]), `${name}[${j}]`).toBeLessThan(1e-6 * Math.max(1, Math.abs(v)));
          });
        }
      });
    });
  });
}

test('the operations without a gradient are the ones that only backward graphs and decoding use', () => {
  const refused = Object.entries(cases).filter(([, list]) => list.every((c) => c.gradient === 'refused'));
  expect(refused.map(([op]) => op)).toEqual(['reduce_max', 'softmax_grad', 'nll_grad', 'argmax']);
});

test('scatter_rows adds rows that occur many times, on several threads', async () => {
  const out = b.scatterRows(b.makeInput('x', ['R', 64]), b.makeInput('index', ['R'], 'i32'), 8);
  const rows = 4096;
  const feeds = new Map<string, HostValue>([
    ['x', { dims: [rows, 64], dtype: 'f32', data: new Float64Array(rows * 64).fill(1) }],
    ['index', { dims: [rows], dtype: 'i32', data: Float64Array.from({ length: rows }, (_, i) => i % 8) }],
  ]);
  for (let run = 0; run < 5; run++) await expectAgreement(makeGraph('scatter', { out }), feeds, 4);
});
