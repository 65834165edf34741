// Chains in blocks: which nodes they take, and that the results are those of kernels over whole arrays.
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import {
  add,
  exp,
  makeInput,
  mul,
  neg,
  reduceSum,
  sigmoid,
  silu,
  softmax,
  sub,
  tanh,
} from '../graph/build.ts';
import { makeGraph, type Node, topological } from '../graph/node.ts';
import { openBackend } from '../run/open-backend.ts';
import { chainsOf } from './blocks.ts';
import { lower } from './lower.ts';

const COLUMNS = 2048;
const x = makeInput('x', ['N', COLUMNS]);
const y = makeInput('y', ['N', COLUMNS]);

const chains = (roots: Node[]) => {
  const order = topological(roots);
  const found = chainsOf(order, (n) => n.op === 'input' || roots.includes(n));
  return [...new Set(found.values())].map(({ members }) => members.map((n) => n.op));
};
const hasScan = (root: Node) => Buffer.from(lower(makeGraph('g', { out: root })).bytes).includes('Scan');

describe('chainsOf', () => {
  test('takes three operations and more over a wide shape, and nothing narrow', () => {
    const three = (a: Node) => exp(sub(mul(sigmoid(a), a), a));
    expect(chains([three(x)])).toEqual([['sigmoid', 'mul', 'sub']]);
    expect(chains([exp(mul(sigmoid(x), x))])).toEqual([]);
    expect(chains([three(makeInput('n', ['N', 1024]))])).toEqual([]);
  });

  test('ends where a path leaves it: what comes back is a chain of its own', () => {
    const before = mul(sigmoid(x), add(x, y));
    const centred = softmax(before);
    const after = neg(mul(sub(centred, before), y));
    expect(chains([exp(after)])).toEqual([
      ['sigmoid', 'add', 'mul'],
      ['sub', 'mul', 'neg'],
    ]);
  });

  test('operands of another shape keep an operation out', () => {
    const row = makeInput('row', [COLUMNS]);
    expect(chains([exp(mul(sigmoid(add(x, row)), tanh(x)))])).toEqual([['sigmoid', 'tanh', 'mul']]);
  });
});

describe('on the runtime', async () => {
  const cpu = await openBackend('cpu', { threads: 2 });
  afterAll(() => cpu.dispose());
  const rows = 5;
  const values = (seed: number) =>
    Float32Array.from({ length: rows * COLUMNS }, (_, i) => Math.sin(seed + i * 0.37) * 3);
  const feeds = { x: values(1), y: values(2) };

  const run = async (outputs: Record<string, Node>) => {
    const graph = makeGraph('chain', outputs);
    const executable = await cpu.compile(graph);
    const out = await executable.run(
      Object.fromEntries(
        graph.inputs.map(({ attrs: { name } }) => [
          name,
          cpu.tensor('f32', [rows, COLUMNS], feeds[name as 'x' | 'y']),
        ]),
      ),
    );
    const read = Object.fromEntries(
      await Promise.all(
        Object.entries(out).map(
          async ([name, t]) => [name, Float32Array.from((await t.read()) as Float32Array)] as const,
        ),
      ),
    );
    for (const t of Object.values(out)) t.dispose();
    await executable.dispose();
    return read;
  };

  // Each step takes two earlier values; some go through a reduction, which no chain can hold.
  const step = fc.record({
    op: fc.constantFrom('add', 'sub', 'mul', 'neg', 'sigmoid', 'silu', 'tanh', 'softmax', 'scaled'),
    a: fc.nat(),
    b: fc.nat(),
  });
  const built = (steps: { op: string; a: number; b: number }[]): Node[] => {
    const all: Node[] = [x, y];
    for (const { op, a, b } of steps) {
      const [p, q] = [all[a % all.length], all[b % all.length]];
      const made: Record<string, () => Node> = {
        add: () => add(p, q),
        sub: () => sub(p, q),
        mul: () => mul(tanh(p), q),
        neg: () => neg(p),
        sigmoid: () => sigmoid(p),
        silu: () => silu(p),
        tanh: () => tanh(p),
        softmax: () => softmax(p),
        scaled: () => mul(p, 0.5),
      };
      all.push(made[op]());
    }
    return all.slice(2);
  };

  test('equal to the bit to kernels over whole arrays, for any graph', async () => {
    let scans = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 14 }), async (steps) => {
        const nodes = built(steps);
        const last = nodes[nodes.length - 1];
        if (hasScan(last)) scans++;
        // With every value an output nothing is left for a chain.
        const whole = await run(Object.fromEntries(nodes.map((node, i) => [`step_${i}`, node])));
        const chained = await run({ last });
        expect(chained.last).toEqual(whole[`step_${nodes.length - 1}`]);
      }),
      { numRuns: 40, seed: 7 },
    );
    expect(scans).toBeGreaterThan(5);
  });

  test('values that are read outside the chain come out of it', async () => {
    const inner = mul(sigmoid(x), y);
    const twice = add(inner, inner);
    const total = reduceSum(inner, [1], true);
    const { out } = await run({ out: mul(sub(twice, x), total) });
    const [a, b] = [feeds.x, feeds.y];
    const expected = a.map((_, i) => {
      const row = Math.floor(i / COLUMNS) * COLUMNS;
      const part = (j: number) => b[j] / (1 + Math.exp(-a[j]));
      let sum = 0;
      for (let j = row; j < row + COLUMNS; j++) sum += part(j);
      return (2 * part(i) - a[i]) * sum;
    });
    const scale = Math.max(...expected.map(Math.abs));
    out.forEach(
      (value, i) => void (Math.abs(value - expected[i]) > 1e-4 * scale && expect(value).toBe(expected[i])),
    );
  });
});
