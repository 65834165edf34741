// In: hidden rows that carry a label. Out: graphs of the final norm and of one slice of the vocabulary. A slice is
// [V, hidden] of the (possibly tied) output matrix; the caller walks the slices and merges their softmax statistics, so
// that logits for the whole vocabulary never exist at once.
import { type SplitGraphs, splitForwardBackward } from '../grad/split.ts';
import {
  add,
  argmax,
  cast,
  exp,
  gatherRows,
  makeInput,
  matmul,
  mul,
  reduceMax,
  reduceSum,
  rmsNorm,
  sub,
  tanh,
} from '../graph/build.ts';
import { type Graph, makeGraph, type Node } from '../graph/node.ts';

type WeightType = 'f32' | 'f16';

/** x [N, hidden], index i32 [M] -> h [M, hidden], the normed rows that carry a label; backward returns d_x (and d_weight). */
export function headNorm(hidden: number, eps: number, trained: boolean, offset: 0 | 1 = 0): SplitGraphs {
  const x = makeInput('x', ['N', hidden]);
  const weight = makeInput('norm.weight', [hidden]);
  const rows = gatherRows(x, makeInput('index', ['M'], 'i32'));
  const h = rmsNorm(rows, offset === 0 ? weight : add(weight, offset), eps);
  return splitForwardBackward(
    'head_norm',
    { h },
    trained ? { x, 'norm.weight': weight } : { x },
    'recompute',
  );
}

interface SliceLogits {
  w: Node;
  logits: Node;
  /** d(logits) -> d(h wᵀ). */
  unbend(dy: Node): Node;
}

/** h wᵀ, and with a cap, cap * tanh(h wᵀ / cap). */
function sliceLogits(hidden: number, dtype: WeightType, cap: number | null): SliceLogits {
  const h = makeInput('h', ['M', hidden]);
  const w = cast(makeInput('w', ['V', hidden], dtype), 'f32');
  if (cap === null) return { w, logits: matmul(h, w, { transB: true }), unbend: (dy) => dy };
  const t = tanh(matmul(h, w, { transB: true, alpha: 1 / cap }));
  return { w, logits: mul(t, cap), unbend: (dy) => mul(dy, sub(1, mul(t, t))) };
}

/** h, w -> max [M, 1] and sum [M, 1] of exp(logits - max); with `best`, also the index of the largest logit, i32 [M]. */
export function headStatistics(hidden: number, dtype: WeightType, best: boolean, cap: number | null): Graph {
  const { logits } = sliceLogits(hidden, dtype, cap);
  const max = reduceMax(logits, [1], true);
  const sum = reduceSum(exp(sub(logits, max)), [1], true);
  return makeGraph('head_statistics', best ? { max, sum, best: argmax(logits) } : { max, sum });
}

/**
 * As `headStatistics`, and mean [M, hidden] = exp(logits - max) @ w, through the cap: the part of the gradient by h that
 * a frozen output matrix gives, up to a factor per row that is known once all slices are done (online softmax, Milakov
 * 2018).
 */
export function headFused(hidden: number, dtype: WeightType, cap: number | null): Graph {
  const { w, logits, unbend } = sliceLogits(hidden, dtype, cap);
  const max = reduceMax(logits, [1], true);
  const e = exp(sub(logits, max));
  return makeGraph('head_fused', { max, sum: reduceSum(e, [1], true), mean: matmul(unbend(e), w) });
}

/**
 * For a trained output matrix, once the log-normaliser is known: h, w, lse [M, 1], weighted [M, hidden] = weight * h ->
 * mean [M, hidden] = p @ w and d_w [V, hidden] = pᵀ weighted, both without the label's own term.
 */
export function headTrained(hidden: number, cap: number | null): Graph {
  const { w, logits, unbend } = sliceLogits(hidden, 'f32', cap);
  const p = unbend(exp(sub(logits, makeInput('lse', ['M', 1]))));
  const weighted = makeInput('weighted', ['M', hidden]);
  return makeGraph('head_trained', { mean: matmul(p, w), d_w: matmul(p, weighted, { transA: true }) });
}

/** h [M, hidden], w [V, hidden] -> logits [M, V], for decoding. */
export function headLogits(hidden: number, dtype: WeightType, cap: number | null): Graph {
  return makeGraph('head_logits', { logits: sliceLogits(hidden, dtype, cap).logits });
}
