import { expect, test } from 'vitest';
import * as b from './build.ts';
import { makeGraph } from './node.ts';
import { printGraph } from './print.ts';

test('a graph prints as one line per node, the same every time', () => {
  const build = () => {
    const x = b.makeInput('x', ['N', 4]);
    const w = b.makeInput('w', [3, 4]);
    const h = b.keep(b.matmul(x, w, { transB: true, alpha: 0.5 }));
    const index = b.makeInput('index', ['M'], 'i32');
    return makeGraph('layer', {
      y: b.reshape(b.gatherRows(b.add(h, 1), index), ['M', 1, 3]),
      top: b.reduceMax(h, [1], true),
    });
  };
  const text = `graph layer
  x: f32[N, 4]
  w: f32[3, 4]
  %0 keep: f32[N, 3] = matmul(x, w, transB=true, alpha=0.5)
  %1: f32[] = constant(value=1)
  %2: f32[N, 3] = add(%0, %1)
  index: i32[M]
  %3: f32[M, 3] = gather_rows(%2, index)
  %4: f32[M, 1, 3] = reshape(%3, shape=[M, 1, 3])
  %5: f32[N, 1] = reduce_max(%0, axes=[1], keep=true)
  return y = %4
  return top = %5
`;
  expect(printGraph(build())).toBe(text);
  expect(printGraph(build())).toBe(text);
});
