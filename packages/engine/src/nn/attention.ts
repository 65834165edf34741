// In: rotated q, k and v as packed rows. Out: attention output as packed rows. Grouped-query attention by reshaping, so
// that keys and values are never repeated. Causality, windows and padding live in an additive mask.
import {
  add,
  concat,
  type Grid,
  matmul,
  mul,
  pad,
  reshape,
  softmax,
  tanh,
  transpose,
  unpad,
} from '../graph/build.ts';
import { product } from '../graph/dim.ts';
import type { Node } from '../graph/node.ts';
import type { LayerSpec } from './layer-spec.ts';

type Heads = Pick<LayerSpec, 'heads' | 'kvHeads' | 'headDim' | 'scoreScale' | 'scoreCap'>;

/** q kᵀ, scaled, and bent where the layer caps its scores. */
function scoresOf(q: Node, k: Node, { scoreScale, scoreCap }: Heads): Node {
  if (scoreCap === null) return matmul(q, k, { transB: true, alpha: scoreScale });
  return mul(tanh(matmul(q, k, { transB: true, alpha: scoreScale / scoreCap })), scoreCap);
}

/**
 * Attention inside each row of a batch. q [N, heads * d], k and v [N, kv * d] hold the real tokens of all rows one after
 * the other; `grid` places them in [B, T]. mask [T, T], or [B, 1, 1, T, T] with one for each row, is 0
 * where a query may look and very negative elsewhere. Padding
 * stands at the end of a row, so a causal mask hides it from every real query.
 */
export function packedAttention(q: Node, k: Node, v: Node, mask: Node, grid: Grid, spec: Heads): Node {
  const { heads, kvHeads, headDim: d } = spec;
  const group = heads / kvHeads;
  const rows = product([group, 'T']);
  // No real query looks at padding, and what padding looks at is left out at the end.
  const laid = (x: Node) => pad(x, grid, { clear: false });
  const split = (x: Node) => transpose(reshape(laid(x), ['B', 'T', kvHeads, d]), [0, 2, 1, 3]);
  const queries = reshape(transpose(reshape(laid(q), ['B', 'T', kvHeads, group, d]), [0, 2, 3, 1, 4]), [
    'B',
    kvHeads,
    rows,
    d,
  ]);
  const scores = scoresOf(queries, split(k), spec); // [B, kv, group * T, T]
  const masked = add(reshape(scores, ['B', kvHeads, group, 'T', 'T']), mask);
  const weights = reshape(softmax(masked), ['B', kvHeads, rows, 'T']);
  const mixed = reshape(matmul(weights, split(v)), ['B', kvHeads, group, 'T', d]);
  return unpad(reshape(transpose(mixed, [0, 3, 1, 2, 4]), [product(['B', 'T']), heads * d]), grid);
}

/**
 * Attention of T new positions of each of B rows over P cached positions and themselves. q [B*T, heads * d], k and v
 * [B*T, kv * d]; pastK and pastV [P, B, kv, d]; mask [B, 1, group * T, P + T]. Returns the output [B*T, heads * d] and
 * the new keys and values [T, B, kv, d], which the caller appends to its cache.
 */
export function cachedAttention(
  q: Node,
  k: Node,
  v: Node,
  past: { k: Node; v: Node },
  mask: Node,
  spec: Heads,
): { output: Node; newK: Node; newV: Node } {
  const { heads, kvHeads, headDim: d } = spec;
  const group = heads / kvHeads;
  const rows = product([group, 'T']);
  const timeFirst = (x: Node) => transpose(reshape(x, ['B', 'T', kvHeads, d]), [1, 0, 2, 3]);
  const newK = timeFirst(k);
  const newV = timeFirst(v);
  const all = (old: Node, fresh: Node) => transpose(concat([old, fresh], 0), [1, 2, 0, 3]); // [B, kv, P + T, d]
  const queries = reshape(transpose(reshape(q, ['B', 'T', kvHeads, group, d]), [0, 2, 3, 1, 4]), [
    'B',
    kvHeads,
    rows,
    d,
  ]);
  const scores = scoresOf(queries, all(past.k, newK), spec);
  const mixed = matmul(softmax(add(scores, mask)), all(past.v, newV)); // [B, kv, group * T, d]
  const output = reshape(transpose(reshape(mixed, ['B', kvHeads, group, 'T', d]), [0, 3, 1, 2, 4]), [
    product(['B', 'T']),
    heads * d,
  ]);
  return { output, newK, newV };
}
