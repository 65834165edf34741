// A DoRA layer with dropout gives peft's output and gradients (test/parity/variants/generate.py), and its norm is that of
// the adapted weight.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { gradient } from '../grad/gradient.ts';
import { makeInput } from '../graph/build.ts';
import { makeGraph } from '../graph/node.ts';
import { relativeError, runOnnx } from '../run/compare.ts';
import { evaluateReference, type HostValue } from '../run/reference.ts';
import { doraNorms, doraSquares } from './dora.ts';
import type { LayerSpec } from './layer-spec.ts';
import { linear, linears } from './linear.ts';

const FIXTURE = new URL('../../../../test/parity/variants/dora-dropout.json', import.meta.url);
const facts = JSON.parse(readFileSync(FIXTURE, 'utf8')) as Record<string, number[]> & { scale: number };

const value = (dims: number[], data: readonly number[]): HostValue => ({
  dims,
  dtype: 'f32',
  data: Float64Array.from(data),
});
const { scale } = facts;
const lowRank = {
  'p.weight': value([5, 4], facts.weight),
  'p.lora_A.weight': value([2, 4], facts.lora_A),
  'p.lora_B.weight': value([5, 2], facts.lora_B),
};

/** Norms by the graphs that training runs: the squares first. */
function norms(): HostValue {
  const projection = { inFeatures: 4, outFeatures: 5, dtype: 'f32', bias: true };
  const lora = { rank: 2, scale, dropout: true, dora: true };
  const spec = { projections: { p: { ...projection, lora } } } as unknown as LayerSpec;
  const squares = evaluateReference(doraSquares(spec), new Map(Object.entries(lowRank)));
  const feeds = new Map([...Object.entries(lowRank), ...squares]);
  return evaluateReference(doraNorms(spec), feeds).get('p.weight_norm') as HostValue;
}

test('the norms are those of the rows of W + s B A', () => {
  const expected = Array.from({ length: 5 }, (_, o) =>
    Math.hypot(
      ...Array.from({ length: 4 }, (_, i) => {
        const low = [0, 1].reduce((n, r) => n + facts.lora_B[2 * o + r] * facts.lora_A[4 * r + i], 0);
        return facts.weight[4 * o + i] + scale * low;
      }),
    ),
  );
  norms().data.forEach((norm, o) => {
    expect(norm).toBeCloseTo(expected[o], 12);
  });
});

test('output and gradients with dropout are those of peft', async () => {
  const x = makeInput('x', ['N', 4]);
  const [a, b, magnitude] = [makeInput('a', [2, 4]), makeInput('b', [5, 2]), makeInput('magnitude', [5])];
  const dora = { magnitude, norm: makeInput('norm', [5]) };
  const lora = { a, b, scale, dropout: makeInput('mask', ['N', 4]), dora };
  const y = linear(x, { weight: makeInput('weight', [5, 4]), bias: makeInput('bias', [5]), lora });
  const seeds = [{ node: y, cotangent: makeInput('dy', ['N', 5]) }];
  const [dx, da, db, dm] = gradient(seeds, [x, a, b, magnitude]).map((node) => node ?? y);
  const graph = makeGraph('dora', { y, dx, da, db, dm });
  const feeds = new Map(
    Object.entries({
      x: value([3, 4], facts.x),
      a: lowRank['p.lora_A.weight'],
      b: lowRank['p.lora_B.weight'],
      magnitude: value([5], facts.lora_magnitude_vector),
      norm: norms(),
      mask: value([3, 4], facts.mask),
      weight: lowRank['p.weight'],
      bias: value([5], facts.bias),
      dy: value([3, 5], facts.dy),
    }),
  );
  const theirs = {
    y: facts.y,
    dx: facts.d_x,
    da: facts.d_lora_A,
    db: facts.d_lora_B,
    dm: facts.d_lora_magnitude_vector,
  };
  for (const ours of [evaluateReference(graph, feeds), await runOnnx(graph, feeds)])
    for (const [name, data] of Object.entries(theirs)) {
      const own = ours.get(name) as HostValue;
      expect(relativeError(own, value(own.dims, data)), name).toBeLessThan(2e-6);
    }
});

test('projections of the same rows give what each gives alone, gradients too', () => {
  const x = makeInput('x', ['N', 4]);
  const dims: Record<string, number[]> = { x: [3, 4] };
  const input = (name: string, shape: number[]) => {
    dims[name] = shape;
    return makeInput(name, shape);
  };
  const projection = (name: string, out: number, rank: number) => ({
    weight: input(`${name}.w`, [out, 4]),
    bias: name === 'q' ? input(`${name}.bias`, [out]) : null,
    lora: {
      a: input(`${name}.a`, [rank, 4]),
      b: input(`${name}.b`, [out, rank]),
      scale: rank / 3,
      dropout: null,
      dora: null,
    },
  });
  const all = [projection('q', 5, 2), projection('k', 3, 1), projection('v', 3, 3)];
  const wrt = [x, ...all.flatMap(({ lora }) => [lora.a, lora.b])];
  const outputs = (ys: ReturnType<typeof linears>) => {
    const seeds = ys.map((node, i) => ({ node, cotangent: makeInput(`dy${i}`, ['N', node.shape[1]]) }));
    ys.forEach((node, i) => {
      dims[`dy${i}`] = [3, node.shape[1] as number];
    });
    return [...ys, ...gradient(seeds, wrt)].map((node) => node ?? x);
  };
  const results = [linears(x, all), all.map((p) => linear(x, p))].map((ys) => {
    const graph = makeGraph('g', new Map(outputs(ys).map((node, i) => [`o${i}`, node])));
    const feeds = new Map(
      graph.inputs.map(({ attrs: { name } }, k) => {
        const count = dims[name].reduce((p, q) => p * q, 1);
        return [
          name,
          value(
            dims[name],
            Array.from({ length: count }, (_, i) => Math.cos(i * 1.7 + k)),
          ),
        ];
      }),
    );
    const named = new Map([...feeds].sort(([p], [q]) => (p < q ? -1 : 1)));
    for (const [i, [name]] of [...named].entries())
      feeds.set(
        name,
        value(
          dims[name],
          [...(feeds.get(name) as HostValue).data].map((_, j) => Math.cos(j * 1.7 + i)),
        ),
      );
    return evaluateReference(graph, feeds);
  });
  const [joined, alone] = results;
  expect(joined.size).toBe(3 + wrt.length);
  for (const [name, { data }] of joined)
    data.forEach((v, i) => {
      expect(v, name).toBeCloseTo((alone.get(name) as HostValue).data[i], 10);
    });
});
