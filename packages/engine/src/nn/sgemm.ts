// In: nothing. Out: one plain product x wᵀ as a graph: what the machine can do at best, for benchmarks and estimates.
import { makeInput, matmul } from '../graph/build.ts';
import { type Graph, makeGraph } from '../graph/node.ts';

/** x [N, K], w [M, K] -> y [N, M]. */
export function sgemmGraph(): Graph {
  return makeGraph('sgemm', {
    y: matmul(makeInput('x', ['N', 'K']), makeInput('w', ['M', 'K']), { transB: true }),
  });
}
