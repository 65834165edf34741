// In: a backend. Out: products of host matrices at the backend's speed, for optimisers. One graph per pair of
// transpositions serves all sizes.
import { makeInput, matmul } from '../graph/build.ts';
import { makeGraph } from '../graph/node.ts';
import type { Backend, Executable } from './backend.ts';

interface HostMatrix {
  rows: number;
  columns: number;
  data: Float32Array;
}

export function matrixProduct(backend: Backend) {
  const executables = new Map<string, Promise<Executable>>();
  const compiled = (transA: boolean, transB: boolean) => {
    const name = `product_${transA ? 't' : 'n'}${transB ? 't' : 'n'}`;
    const found = executables.get(name);
    if (found) return found;
    const a = makeInput('a', transA ? ['K', 'M'] : ['M', 'K']);
    const b = makeInput('b', transB ? ['N', 'K'] : ['K', 'N']);
    const made = backend.compile(makeGraph(name, { y: matmul(a, b, { transA, transB }) }));
    executables.set(name, made);
    return made;
  };
  return async (
    a: HostMatrix,
    b: HostMatrix,
    { a: transA = false, b: transB = false } = {},
  ): Promise<HostMatrix> => {
    const executable = await compiled(transA, transB);
    const tensorOf = (m: HostMatrix) => backend.tensor('f32', [m.rows, m.columns], m.data);
    using left = tensorOf(a);
    using right = tensorOf(b);
    const { y } = await executable.run({ a: left, b: right });
    const data = ((await y.read()) as Float32Array).slice();
    y.dispose();
    return { rows: transA ? a.columns : a.rows, columns: transB ? b.rows : b.columns, data };
  };
}
