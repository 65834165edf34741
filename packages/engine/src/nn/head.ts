// In: hidden rows that carry a label. Out: graphs of the final norm and of one slice of the vocabulary. A slice is
// [V, hidden] of the (possibly tied) output matrix; the caller walks the slices and merges their softmax statistics, so
// that logits for the whole vocabulary never exist at once.
import { type SplitGraphs, splitForwardBackward } from '../grad/split.ts';
import {
  add,
  argmax,
  cast,
  concat,
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

/** Maximum and sum of exponentials of the slices so far; `keep` is what their sums count from now on. */
interface OnlineSoftmax {
  max: Node;
  e: Node;
  sum: Node;
  keep: Node | null;
}

/** One more slice of an online softmax (Milakov and Gimelshein 2018); the first one has nothing to go on from. */
function nextSlice(logits: Node, isFirst: boolean): OnlineSoftmax {
  const own = reduceMax(logits, [1], true);
  const before = makeInput('max_before', ['M', 1]);
  const max = isFirst ? own : reduceMax(concat([before, own], 1), [1], true);
  const e = exp(sub(logits, max));
  const sum = reduceSum(e, [1], true);
  if (isFirst) return { max, e, sum, keep: null };
  const keep = exp(sub(before, max));
  return { max, e, sum: add(mul(makeInput('sum_before', ['M', 1]), keep), sum), keep };
}

/** h, w -> of this slice alone: max [M, 1], sum [M, 1] of exp(logits - max), and the index of the largest logit, i32 [M]. */
export function headBest(hidden: number, dtype: WeightType, cap: number | null): Graph {
  const { logits } = sliceLogits(hidden, dtype, cap);
  const { max, sum } = nextSlice(logits, true);
  return makeGraph('head_best', { max, sum, best: argmax(logits) });
}

/** h, w -> max [M, 1] and sum [M, 1] of exp(logits - max) of the slices so far; after the first, max_before and sum_before too. */
export function headSum(hidden: number, dtype: WeightType, cap: number | null, isFirst: boolean): Graph {
  const { max, sum } = nextSlice(sliceLogits(hidden, dtype, cap).logits, isFirst);
  return makeGraph('head_sum', { max, sum });
}

/**
 * As `headSum`, and mean [M, hidden] = exp(logits - max) @ w, through the cap: the part of the gradient by h that
 * a frozen output matrix gives, up to a factor 1 / sum per row; after the first slice mean_before goes into it.
 */
export function headFused(hidden: number, dtype: WeightType, cap: number | null, isFirst: boolean): Graph {
  const { w, logits, unbend } = sliceLogits(hidden, dtype, cap);
  const { max, e, sum, keep } = nextSlice(logits, isFirst);
  const own = matmul(unbend(e), w);
  const mean = keep ? add(mul(makeInput('mean_before', ['M', hidden]), keep), own) : own;
  return makeGraph('head_fused', { max, sum, mean });
}

/**
 * For a trained output matrix, once the log-normaliser is known: h, w, lse [M, 1], weighted [M, hidden] = weight * h ->
 * mean [M, hidden] = p @ w and d_w [V, hidden] = pᵀ weighted, both without the label's own term; after the first slice
 * mean_before goes into the mean.
 */
export function headTrained(hidden: number, cap: number | null, isFirst: boolean): Graph {
  const { w, logits, unbend } = sliceLogits(hidden, 'f32', cap);
  const p = unbend(exp(sub(logits, makeInput('lse', ['M', 1]))));
  const weighted = makeInput('weighted', ['M', hidden]);
  const own = matmul(p, w);
  const mean = isFirst ? own : add(makeInput('mean_before', ['M', hidden]), own);
  return makeGraph('head_trained', { mean, d_w: matmul(p, weighted, { transA: true }) });
}

/** h [M, hidden], w [V, hidden] -> logits [M, V], for decoding. */
export function headLogits(hidden: number, dtype: WeightType, cap: number | null): Graph {
  return makeGraph('head_logits', { logits: sliceLogits(hidden, dtype, cap).logits });
}
