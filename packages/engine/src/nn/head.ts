// In: hidden rows that carry a label. Out: graphs of the final norm and of one slice of the vocabulary. A slice is
// [V, hidden] of the (possibly tied) output matrix; the caller walks the slices and merges their softmax statistics, so
// that logits for the whole vocabulary never exist at once.
import { type SplitGraphs, splitForwardBackward } from '../grad/split.ts';
import {
  argmax,
  cast,
  exp,
  gatherRows,
  makeInput,
  matmul,
  reduceMax,
  reduceSum,
  rmsNorm,
  sub,
} from '../graph/build.ts';
import { type Graph, makeGraph, type Node } from '../graph/node.ts';

type WeightType = 'f32' | 'f16';

/** x [N, hidden], index i32 [M] -> h [M, hidden], the normed rows that carry a label; backward returns d_x (and d_weight). */
export function headNorm(hidden: number, eps: number, trained: boolean): SplitGraphs {
  const x = makeInput('x', ['N', hidden]);
  const weight = makeInput('norm.weight', [hidden]);
  const h = rmsNorm(gatherRows(x, makeInput('index', ['M'], 'i32')), weight, eps);
  return splitForwardBackward(
    'head_norm',
    { h },
    trained ? { x, 'norm.weight': weight } : { x },
    'recompute',
  );
}

function sliceLogits(hidden: number, dtype: WeightType): { h: Node; w: Node; logits: Node } {
  const h = makeInput('h', ['M', hidden]);
  const w = cast(makeInput('w', ['V', hidden], dtype), 'f32');
  return { h, w, logits: matmul(h, w, { transB: true }) };
}

/** h, w -> max [M, 1] and sum [M, 1] of exp(logits - max); with `best`, also the index of the largest logit, i32 [M]. */
export function headStatistics(hidden: number, dtype: WeightType, best: boolean): Graph {
  const { logits } = sliceLogits(hidden, dtype);
  const max = reduceMax(logits, [1], true);
  const sum = reduceSum(exp(sub(logits, max)), [1], true);
  return makeGraph('head_statistics', best ? { max, sum, best: argmax(logits) } : { max, sum });
}

/**
 * As `headStatistics`, and mean [M, hidden] = exp(logits - max) @ w: the part of the gradient by h that a frozen output
 * matrix gives, up to a factor per row that is known once all slices are done (online softmax, Milakov 2018).
 */
export function headFused(hidden: number, dtype: WeightType): Graph {
  const { w, logits } = sliceLogits(hidden, dtype);
  const max = reduceMax(logits, [1], true);
  const e = exp(sub(logits, max));
  return makeGraph('head_fused', { max, sum: reduceSum(e, [1], true), mean: matmul(e, w) });
}

/**
 * For a trained output matrix, once the log-normaliser is known: h, w, lse [M, 1], weighted [M, hidden] = weight * h ->
 * mean [M, hidden] = p @ w and d_w [V, hidden] = pᵀ weighted, both without the label's own term.
 */
export function headTrained(hidden: number): Graph {
  const { w, logits } = sliceLogits(hidden, 'f32');
  const p = exp(sub(logits, makeInput('lse', ['M', 1])));
  const weighted = makeInput('weighted', ['M', hidden]);
  return makeGraph('head_trained', { mean: matmul(p, w), d_w: matmul(p, weighted, { transA: true }) });
}

/** h [M, hidden], w [V, hidden] -> logits [M, V], for decoding. */
export function headLogits(hidden: number, dtype: WeightType): Graph {
  return makeGraph('head_logits', { logits: sliceLogits(hidden, dtype).logits });
}
