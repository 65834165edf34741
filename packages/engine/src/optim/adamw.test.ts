import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { adamwStep, makeAdamWState } from './adamw.ts';

interface Case {
  name: string;
  options: { lr: number; betas: [number, number]; eps: number; weight_decay: number };
  param: number[];
  steps: { grad: number[]; grad_scale: number; param: number[]; m: number[]; v: number[] }[];
}

const fixture = new URL('../../../../test/parity/optim/optim.json', import.meta.url);
const { adamw: cases } = JSON.parse(readFileSync(fixture, 'utf8')) as { adamw: Case[] };
const options = { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.01 };

describe('against torch.optim.AdamW', () => {
  test.each(cases)('$name', ({ options: o, param: start, steps }) => {
    const param = Float32Array.from(start);
    const state = makeAdamWState(param.length);
    const [beta1, beta2] = o.betas;
    steps.forEach(({ grad, grad_scale, ...expected }, i) => {
      const given = Float32Array.from(grad);
      adamwStep(
        param,
        given,
        state,
        { lr: o.lr, beta1, beta2, eps: o.eps, weightDecay: o.weight_decay },
        i + 1,
        grad_scale,
      );
      expect(given).toEqual(Float32Array.from(grad));
      expect(state.m).toEqual(Float32Array.from(expected.m));
      expect(state.v).toEqual(Float32Array.from(expected.v));
      // One unit in the last place per step.
      const near = Float32Array.from(expected.param);
      param.forEach((p, j) => {
        expect(Math.abs(p - near[j])).toBeLessThanOrEqual((i + 1) * 2 ** -23 * Math.abs(near[j]));
      });
    });
  });
});

test('the first step of a fresh state is lr against the sign of the gradient, plus decay', () => {
  const param = Float32Array.of(1, -2, 3);
  adamwStep(
    param,
    Float32Array.of(5, -1e-3, 0),
    makeAdamWState(3),
    { ...options, lr: 0.125, weightDecay: 0.5 },
    1,
  );
  const decay = 1 - 0.125 * 0.5;
  expect(param[0]).toBeCloseTo(decay - 0.125, 6);
  expect(param[1]).toBeCloseTo(-2 * decay + 0.125, 5);
  expect(param[2]).toBe(3 * decay);
});

test('stopping after any step and going on with copies of the arrays gives the same bits', () => {
  const grads = Array.from({ length: 6 }, (_, s) =>
    Float32Array.from({ length: 50 }, (_, i) => Math.sin(i * 7 + s)),
  );
  const run = (stop: number) => {
    let param = new Float32Array(50).fill(0.5);
    let state = makeAdamWState(50);
    grads.forEach((grad, i) => {
      if (i === stop) [param, state] = [param.slice(), { m: state.m.slice(), v: state.v.slice() }];
      adamwStep(param, grad, state, options, i + 1, 0.7);
    });
    return { param, ...state };
  };
  const whole = run(-1);
  for (let stop = 0; stop < 6; stop++) expect(run(stop)).toEqual(whole);
});

test('a gradient that is not a number reaches the parameter, where it can be seen', () => {
  const param = Float32Array.of(1, 1);
  adamwStep(param, Float32Array.of(Number.NaN, 1), makeAdamWState(2), options, 1);
  expect([...param].map(Number.isNaN)).toEqual([true, false]);
});

test('arrays of different lengths are refused', () => {
  expect(() => adamwStep(new Float32Array(3), new Float32Array(2), makeAdamWState(3), options, 1)).toThrow(
    expect.objectContaining({
      code: 'ENGINE_BAD_SHAPE',
      message: 'adamw: expected a gradient and moments of 3 elements, found 2, 3 and 3',
    }),
  );
});
