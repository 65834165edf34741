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
import { linear } from './linear.ts';

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
