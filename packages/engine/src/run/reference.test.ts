// The reference evaluator refuses feeds that do not fit its graph.
import { expect, test } from 'vitest';
import * as b from '../graph/build.ts';
import type { Dim } from '../graph/dim.ts';
import { makeGraph } from '../graph/node.ts';
import type { DType } from '../graph/op.ts';
import { evaluateReference, type HostValue } from './reference.ts';

const x = (...shape: Dim[]) => b.makeInput('x', shape);
const y = (...shape: Dim[]) => b.makeInput('y', shape);
const graph = makeGraph('g', { out: b.add(x('N', 3), y('N', 1)) });
const value = (dims: number[], dtype: DType = 'f32'): HostValue => ({
  dims,
  dtype,
  data: new Float64Array(dims.reduce((p, d) => p * d, 1)),
});
test.each([
  ['a missing input', { x: value([2, 3]) }, 'ENGINE_MISSING_INPUT', 'y'],
  ['another dtype', { x: value([2, 3], 'i32'), y: value([2, 1]) }, 'ENGINE_BAD_DTYPE', 'x'],
  ['another size', { x: value([2, 4]), y: value([2, 1]) }, 'ENGINE_BAD_SHAPE', 'x'],
  ['another rank', { x: value([2, 3, 1]), y: value([2, 1]) }, 'ENGINE_BAD_SHAPE', 'x'],
  ['symbols that disagree', { x: value([2, 3]), y: value([3, 1]) }, 'ENGINE_BAD_SHAPE', 'y'],
  [
    'too few elements',
    { x: { ...value([2, 3]), data: new Float64Array(5) }, y: value([2, 1]) },
    'ENGINE_BAD_SHAPE',
    'x',
  ],
])('%s is refused when a graph is fed', (_name, feeds, code, input) => {
  const run = () => evaluateReference(graph, new Map(Object.entries(feeds)));
  expect(run).toThrow(expect.objectContaining({ code, message: expect.stringContaining(`input ${input}`) }));
});

test('a compound size is checked against symbols that a later input fixes', () => {
  const tall = makeGraph('g', { out: b.add(x('B*T', 2), b.reshape(y('B', 'T', 2), ['B*T', 2])) });
  const run = (rows: number) =>
    evaluateReference(
      tall,
      new Map([
        ['x', value([rows, 2])],
        ['y', value([2, 3, 2])],
      ]),
    );
  expect(run(6).get('out')?.dims).toEqual([6, 2]);
  expect(() => run(5)).toThrow(expect.objectContaining({ code: 'ENGINE_BAD_SHAPE' }));
});

test('an index outside its axis is refused when a graph runs', () => {
  const out = b.gatherRows(x(3, 2), b.makeInput('index', [2], 'i32'));
  const index: HostValue = { dims: [2], dtype: 'i32', data: Float64Array.of(2, 3) };
  const feeds = new Map([
    ['x', value([3, 2])],
    ['index', index],
  ]);
  expect(() => evaluateReference(makeGraph('g', { out }), feeds)).toThrow(
    expect.objectContaining({
      code: 'ENGINE_RUN_FAILED',
      message: 'gather_rows: expected an index from 0 to 2, found 3',
    }),
  );
});
