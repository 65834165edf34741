// A layer split into forward and backward graphs gives the gradients of the undivided graph, under both residual
// policies, in the reference and in ONNX Runtime.
import { describe, expect, test } from 'vitest';
import * as b from '../graph/build.ts';
import { makeGraph, type Node } from '../graph/node.ts';
import { relativeError, runOnnx } from '../run/compare.ts';
import { evaluateReference, type HostValue } from '../run/reference.ts';
import { gradient } from './gradient.ts';
import { splitForwardBackward } from './split.ts';

const SIZES: Record<string, number[]> = {
  x: [5, 6],
  norm: [6],
  gate: [8, 6],
  up: [8, 6],
  down: [6, 8],
  d_y: [5, 6],
};

/** A gated MLP with a residual path; its products are dear, the rest is cheap. */
function mlp(): { y: Node; wrt: Record<string, Node<'input'>> } {
  const x = b.makeInput('x', ['N', 6]);
  const norm = b.makeInput('norm', [6]);
  const [gate, up] = ['gate', 'up'].map((name) => b.makeInput(name, [8, 6]));
  const down = b.makeInput('down', [6, 8]);
  const h = b.rmsNorm(x, norm, 1e-5);
  const inner = b.mul(
    b.silu(b.keep(b.matmul(h, gate, { transB: true }))),
    b.keep(b.matmul(h, up, { transB: true })),
  );
  return { y: b.add(x, b.matmul(inner, down, { transB: true })), wrt: { x, norm, gate, up, down } };
}

function feedsOf(): Map<string, HostValue> {
  let i = 0;
  const next = () => Math.fround(Math.sin(++i * 1.7));
  return new Map(
    Object.entries(SIZES).map(([name, dims]) => [
      name,
      { dims, dtype: 'f32', data: Float64Array.from({ length: dims.reduce((p, d) => p * d) }, next) },
    ]),
  );
}

type Run = (
  graph: ReturnType<typeof makeGraph>,
  feeds: Map<string, HostValue>,
) => Promise<Map<string, HostValue>>;
const runs: Record<string, Run> = {
  reference: async (g, f) => evaluateReference(g, f),
  onnx: (g, f) => runOnnx(g, f),
};

function whole(): Map<string, HostValue> {
  const { y, wrt } = mlp();
  const grads = gradient([{ node: y, cotangent: b.makeInput('d_y', ['N', 6]) }], Object.values(wrt));
  const outputs = new Map(Object.keys(wrt).map((name, i) => [`d_${name}`, grads[i] as Node]));
  return evaluateReference(makeGraph('whole', outputs.set('y', y)), feedsOf());
}

describe.each(['save', 'recompute'] as const)('%s', (policy) => {
  test.each(Object.keys(runs))('the gradients of the undivided layer, by %s', async (name) => {
    const { y, wrt } = mlp();
    const { forward, backward, residuals } = splitForwardBackward('mlp', { y }, wrt, policy);
    expect(residuals).toEqual(policy === 'save' ? ['residual_0', 'residual_1'] : []);
    expect([...forward.outputs.keys()]).toEqual(['y', ...residuals]);
    expect([...backward.outputs.keys()]).toEqual(['d_x', 'd_norm', 'd_gate', 'd_up', 'd_down']);

    const feeds = feedsOf();
    const first = await runs[name](forward, feeds);
    for (const residual of residuals) feeds.set(residual, first.get(residual) as HostValue);
    const second = await runs[name](backward, feeds);
    const expected = whole();
    const tolerance = name === 'reference' ? 1e-14 : 1e-5;
    for (const [key, value] of [...second, ['y', first.get('y')] as const])
      expect(relativeError(value as HostValue, expected.get(key) as HostValue), key).toBeLessThan(tolerance);
  });
});

test('saving spares the backward pass the dear products', () => {
  const { y, wrt } = mlp();
  const products = (policy: 'save' | 'recompute') => {
    const { backward } = splitForwardBackward('mlp', { y }, wrt, policy);
    return [...reachable(backward.outputs.values())].filter((n) => n.op === 'matmul').length;
  };
  expect(products('recompute') - products('save')).toBe(2);
});

function reachable(roots: Iterable<Node>, seen = new Set<Node>()): Set<Node> {
  for (const node of roots) {
    if (seen.has(node)) continue;
    seen.add(node);
    reachable(node.inputs, seen);
  }
  return seen;
}

test('a parameter that no output depends on is our own mistake', () => {
  const { y } = mlp();
  expect(() => splitForwardBackward('mlp', { y }, { other: b.makeInput('other', [2]) }, 'save')).toThrow(
    'no path from other to the outputs of mlp',
  );
});
