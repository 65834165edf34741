// Operands that do not fit: every operation refuses them with an error that names it and says what it found.
import { expect, test } from 'vitest';
import { EngineError } from '../errors.ts';
import * as b from './build.ts';
import type { Dim } from './dim.ts';
import type { Node } from './node.ts';
import type { Op } from './op.ts';

const x = (...shape: Dim[]) => b.makeInput('x', shape);
const y = (...shape: Dim[]) => b.makeInput('y', shape);
const i32 = (...shape: Dim[]) => b.makeInput('i', shape, 'i32');
const g: b.Grid = { slotOf: i32(6), real: b.makeInput('real', [6, 1]), place: i32('N') };

const bad: { [O in Exclude<Op, 'input' | 'constant' | 'cast'>]: (() => Node)[] } = {
  add: [() => b.add(x(2, 3), y(2, 4)), () => b.add(x('N'), y('T')), () => b.add(x(2), i32(2))],
  sub: [() => b.sub(x('N', 3), y('T', 3))],
  mul: [() => b.mul(x(3, 2), y(3)), () => b.mul(i32(2), i32(2))],
  div: [() => b.div(x(2), y(3))],
  neg: [() => b.neg(i32(2))],
  exp: [() => b.exp(b.makeInput('x', [2], 'f16'))],
  log: [() => b.log(i32(2))],
  sqrt: [() => b.sqrt(i32(2))],
  sigmoid: [() => b.sigmoid(i32(2))],
  silu: [() => b.silu(i32(2))],
  tanh: [() => b.tanh(i32(2))],
  gelu_tanh: [() => b.geluTanh(i32(2)), () => b.geluTanh(x())],
  matmul: [
    () => b.matmul(x(2, 3), y(4, 5)),
    () => b.matmul(x(2, 3), y(3, 5), { transB: true }),
    () => b.matmul(x('N', 3), y('B', 3, 2)),
    () => b.matmul(x('N', 2, 3), y('B', 3, 2)),
    () => b.matmul(x(3), y(3)),
    () => b.matmul(i32(2, 3), y(3, 2)),
  ],
  reshape: [() => b.reshape(x(2, 3), [5]), () => b.reshape(x('N', 4), ['T', 4])],
  transpose: [() => b.transpose(x(2, 3), [0, 0]), () => b.transpose(x(2, 3), [0])],
  expand: [() => b.expand(x(2, 3), [2, 4]), () => b.expand(x(2, 3), [3]), () => b.expand(x('N'), ['T'])],
  concat: [
    () => b.concat([x(2, 3), y(3, 3)], 1),
    () => b.concat([x(2, 3), y(2)], 1),
    () => b.concat([x(2), y(2)], 1),
    () => b.concat([x(2), i32(2)], 0),
  ],
  slice: [
    () => b.slice(x('N', 3), 0, 0, 1),
    () => b.slice(x(2, 3), 1, 1, 4),
    () => b.slice(x(2, 3), 1, 2, 2),
    () => b.slice(x(2, 3), 2, 0, 1),
  ],
  gather_rows: [() => b.gatherRows(x(3, 2), y(2)), () => b.gatherRows(x(), i32(2))],
  scatter_rows: [() => b.scatterRows(x(3, 2), i32(2), 4), () => b.scatterRows(x(3, 2), y(3), 4)],
  pad: [
    () => b.pad(x('T', 3), g, { clear: true }),
    () => b.pad(x('N', 3), { ...g, real: b.makeInput('real', [6]) }, { clear: false }),
  ],
  unpad: [() => b.unpad(x('N', 3), g), () => b.unpad(x(6, 3), { ...g, place: b.makeInput('place', ['N']) })],
  reduce_sum: [
    () => b.reduceSum(x(2, 3), [2]),
    () => b.reduceSum(x(2, 3), []),
    () => b.reduceSum(i32(2), [0]),
  ],
  reduce_mean: [() => b.reduceMean(x(2, 3), [-1])],
  reduce_max: [() => b.reduceMax(x(2, 3), [2])],
  softmax: [() => b.softmax(i32(2))],
  softmax_grad: [() => b.softmaxGrad(x(2, 3), y(3, 2))],
  rms_norm: [() => b.rmsNorm(x(2, 3), y(2), 1e-5), () => b.rmsNorm(x(2, 3), y(1, 3), 1e-5)],
  rope: [
    () => b.rope(x('N', 2, 3), y('N', 1, 1), y('N', 1, 1)),
    () => b.rope(x('N', 2, 4), y('N', 2), y('N', 2)),
    () => b.rope(x('N', 2, 4), y('T', 1, 2), y('T', 1, 2)),
  ],
  nll: [() => b.nll(x(2, 3), i32(3)), () => b.nll(x(2, 3), y(2))],
  nll_grad: [() => b.nllGrad(x(2, 3), i32(2), y(3)), () => b.nllGrad(x(2, 3), i32(3), y(3))],
  argmax: [() => b.argmax(x()), () => b.argmax(i32(2))],
};
for (const [op, builders] of Object.entries(bad)) {
  test(op, () => {
    for (const build of builders) {
      let error: unknown;
      try {
        build();
      } catch (e) {
        error = e;
      }
      expect(error, String(build)).toBeInstanceOf(EngineError);
      const { code, message, remedy } = error as EngineError;
      expect(code).toBe('ENGINE_BAD_SHAPE');
      expect(message).toMatch(new RegExp(`^${op}: expected .* found `));
      expect(remedy).toContain(op);
    }
  });
}
