// Every optimiser gives the parameters of its reference implementation, step after step, and goes on from its stored state
// with the same bits.
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { matrixProduct } from '../run/matrix-product.ts';
import { openBackend } from '../run/open-backend.ts';
import { adafactorRule } from './adafactor.ts';
import { adamMiniRule } from './adam-mini.ts';
import { adamwRule } from './adamw.ts';
import { apolloRule } from './apollo.ts';
import { badamRule } from './badam.ts';
import { classicAdamwRule } from './classic-adamw.ts';
import { galoreRule } from './galore.ts';
import { lionRule } from './lion.ts';
import { muonRule } from './muon.ts';
import { Optimizer, type UpdateRule } from './optimizer.ts';
import { sgdRule } from './sgd.ts';
import { adagradRule, rmspropRule } from './squared-gradients.ts';

interface Case {
  name: string;
  rule: string;
  // biome-ignore lint/suspicious/noExplicitAny: the options of any rule
  options: any;
  shape: number[];
  seed: number;
  weight_decay: number;
  /** Parameters by step. */
  kept: Record<string, number[]>;
}

interface BadamCase {
  name: string;
  interval: number;
  mode: 'ascending' | 'descending';
  start: number | null;
  options: { beta1: number; beta2: number; eps: number };
  weight_decay: number;
  shapes: number[][];
  blocks: (number | null)[];
  kept: Record<string, number[][]>;
}

const fixture = new URL('../../../../test/parity/optim/optimizers.json', import.meta.url);
const { cases, badam } = JSON.parse(readFileSync(fixture, 'utf8')) as { cases: Case[]; badam: BadamCase[] };
const STEPS = 12;

const backend = await openBackend('cpu', { threads: 1 });
afterAll(() => backend.dispose());
const product = matrixProduct(backend);

const RULES: Record<string, (c: Case) => UpdateRule> = {
  adamw: (c) => adamwRule(c.options),
  sgd: (c) => sgdRule(c.options),
  adagrad: (c) => adagradRule(c.options),
  rmsprop: (c) => rmspropRule(c.options),
  adafactor: () => adafactorRule(),
  lion: (c) => lionRule(c.options),
  adam_mini: (c) => adamMiniRule(c.options, c.options.blocks),
  muon: () => muonRule(product),
  galore: (c) => galoreRule(c.options, product),
  classic_adamw: (c) => classicAdamwRule(c.options, c.options.decay),
  apollo: (c) => apolloRule(c.options, product, (_, refresh, count) => draw(1000 + refresh, count)),
};

/** The generator of optimizers.py. */
function draw(seed: number, count: number, scale = 1): Float32Array {
  let x = seed;
  return Float32Array.from({ length: count }, () => {
    x = (Math.imul(1103515245, x) + 12345) & 0x7fffffff;
    return (x / 2 ** 30 - 1) * scale;
  });
}

const size = (shape: readonly number[]) => shape.reduce((n, d) => n * d, 1);
const gradientOf = ({ seed, shape }: Case, step: number) =>
  draw(seed + 7919 * step, size(shape), 0.5 + (step % 4));

function begin(c: Case) {
  const value = draw(c.seed, size(c.shape));
  const parameter = { name: 'p', shape: c.shape, value, gradient: new Float32Array(value.length) };
  const plan = { rule: RULES[c.rule](c), lrScale: 1, weightDecay: c.weight_decay };
  return { parameter, optimizer: new Optimizer([parameter], () => plan) };
}

async function stepOf({ parameter, optimizer }: ReturnType<typeof begin>, c: Case, step: number) {
  // The gradient comes doubled and is halved by the scale, which is exact.
  parameter.gradient.set(gradientOf(c, step).map((g) => 2 * g));
  await optimizer.step({ learningRate: 0.01 * (1 - step / 20), step, gradScale: 0.5 });
}

/** Largest difference in units of the largest change since the start. */
function apart(ours: Float32Array, theirs: readonly number[], start: Float32Array): number {
  const moved = Math.max(...theirs.map((t, i) => Math.abs(t - start[i])));
  return Math.max(...theirs.map((t, i) => Math.abs(t - ours[i]))) / moved;
}

describe.each(cases.map((c) => [`${c.rule}: ${c.name}`, c] as const))('%s', (_, c) => {
  test('agrees with the reference', async () => {
    const run = begin(c);
    const start = run.parameter.value.slice();
    for (let step = 1; step <= STEPS; step++) {
      await stepOf(run, c, step);
      if (c.kept[step])
        expect(apart(run.parameter.value, c.kept[step], start)).toBeLessThan(c.options.tolerance ?? 1e-5);
    }
  });

  test('goes on from stored state with the same bits', async () => {
    const whole = begin(c);
    for (let step = 1; step <= STEPS; step++) await stepOf(whole, c, step);
    for (const stop of [1, 5]) {
      const first = begin(c);
      for (let step = 1; step <= stop; step++) await stepOf(first, c, step);
      const second = begin(c);
      second.parameter.value.set(first.parameter.value);
      second.optimizer.reset(stop);
      const stored = first.optimizer.states[0];
      expect(Object.keys(second.optimizer.states[0])).toEqual(Object.keys(stored));
      for (const [key, { shape, data }] of Object.entries(second.optimizer.states[0])) {
        expect(shape).toEqual(stored[key].shape);
        data.set(stored[key].data);
      }
      for (let step = stop + 1; step <= STEPS; step++) await stepOf(second, c, step);
      expect(second.parameter.value).toEqual(whole.parameter.value);
    }
  });
});

describe.each(badam.map((c) => [c.name, c] as const))('badam: %s', (_, c) => {
  const order = {
    interval: c.interval,
    blockAt: (turn: number) =>
      c.mode === 'ascending' ? ((c.start ?? 0) + turn) % 3 : ((c.start ?? 2) - turn + 30) % 3,
  };

  function beginBlocks() {
    const parameters = c.shapes.map((shape, i) => ({
      name: `${i}`,
      shape,
      value: draw(1 + i, size(shape)),
      gradient: new Float32Array(size(shape)),
    }));
    const plan = (i: number) => ({
      rule: badamRule(adamwRule(c.options), order, c.blocks[i]),
      lrScale: 1,
      weightDecay: c.weight_decay,
    });
    return { parameters, optimizer: new Optimizer(parameters, ({ name }) => plan(Number(name))) };
  }

  async function stepBlocks({ parameters, optimizer }: ReturnType<typeof beginBlocks>, step: number) {
    for (const [i, { shape, gradient }] of parameters.entries())
      gradient.set(draw(1 + i + 7919 * step, size(shape), 0.5 + (step % 4)));
    await optimizer.step({ learningRate: 0.01 * (1 - step / 20), step, gradScale: 1 });
  }

  test('agrees with the reference, holds state of one block only, and goes on with the same bits', async () => {
    const whole = beginBlocks();
    for (let step = 1; step <= STEPS; step++) {
      await stepBlocks(whole, step);
      expect(whole.optimizer.states.filter((s) => Object.keys(s).length > 0)).toHaveLength(2);
      expect(whole.optimizer.gradients(step)).toHaveLength(2);
      for (const [i, written] of (c.kept[step] ?? []).entries()) {
        const theirs = written.map(Math.fround);
        const start = draw(1 + i, theirs.length);
        const moved = Math.max(...theirs.map((t, j) => Math.abs(t - start[j])));
        const { value } = whole.parameters[i];
        if (moved === 0) expect(value).toEqual(start);
        else expect(apart(value, theirs, start)).toBeLessThan(1e-5);
      }
    }
    for (const stop of [2, 3, 4, 7]) {
      const first = beginBlocks();
      for (let step = 1; step <= stop; step++) await stepBlocks(first, step);
      const second = beginBlocks();
      second.optimizer.reset(stop);
      second.parameters.forEach(({ value }, i) => {
        value.set(first.parameters[i].value);
        const stored = first.optimizer.states[i];
        expect(Object.keys(second.optimizer.states[i])).toEqual(Object.keys(stored));
        for (const [key, { data }] of Object.entries(second.optimizer.states[i])) data.set(stored[key].data);
      });
      for (let step = stop + 1; step <= STEPS; step++) await stepBlocks(second, step);
      expect(second.parameters).toEqual(whole.parameters);
    }
  });
});
