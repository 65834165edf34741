// In: rows x [n, in] and the nodes of a projection. Out: rows [n, out] = (residual +) x Wᵀ (+ bias) (+ s (x Aᵀ) Bᵀ), or
// the same with the weight decomposed into magnitude and direction. Graphs only.
import { add, cast, concat, div, keep, matmul, mul, slice, sub } from '../graph/build.ts';
import type { Node } from '../graph/node.ts';

export interface LoraNodes {
  /** [rank, in] */
  a: Node;
  /** [out, rank] */
  b: Node;
  /** alpha / rank, or alpha / sqrt(rank) for rsLoRA. */
  scale: number;
  /** [n, in] of 0 and 1 / (1 - p), or null without dropout. */
  dropout: Node | null;
  dora: DoraNodes | null;
}

export interface DoraNodes {
  /** [out], trained. */
  magnitude: Node;
  /** [out], the norms of the rows of W + s B A; no gradient passes through them. */
  norm: Node;
}

export interface LinearNodes {
  /** [out, in], f32 or f16. */
  weight: Node;
  /** [out] or null. */
  bias: Node | null;
  lora: LoraNodes | null;
}

/** LoRA: Hu et al. 2021, equation 3; the dropout mask applies to the low-rank branch only, as in PEFT. */
export function linear(x: Node, { weight, bias, lora }: LinearNodes, residual: Node | null = null): Node {
  const w = cast(weight, 'f32');
  if (lora?.dora) {
    const y = decomposed(x, w, lora, lora.dora);
    const biased = bias ? add(y, cast(bias, 'f32')) : y;
    return residual ? add(residual, biased) : biased;
  }
  let y = matmul(x, w, { transB: true });
  // Added first, so that the product accumulates into it in one kernel.
  if (residual) y = add(residual, y);
  if (bias) y = add(y, cast(bias, 'f32'));
  return lora ? add(y, lowRank(lora.dropout ? mul(x, lora.dropout) : x, lora)) : y;
}

/**
 * Several projections of the same rows. The first factors of plain LoRA are multiplied as one matrix, because reading the
 * rows is what costs time there.
 */
export function linears(x: Node, projections: readonly LinearNodes[]): Node[] {
  const adapters = projections.map(({ lora }) => lora);
  if (adapters.length === 1 || !adapters.every((lora) => lora && !lora.dropout && !lora.dora))
    return projections.map((projection) => linear(x, projection));
  const factors = (adapters as LoraNodes[]).map(({ a }) => a);
  const low = matmul(x, concat(factors, 0), { transB: true });
  let end = 0;
  return projections.map(({ weight, bias, lora }) => {
    const { a, b, scale } = lora as LoraNodes;
    const rank = a.shape[0] as number;
    end += rank;
    const own = slice(low, 1, end - rank, end);
    return add(linear(x, { weight, bias, lora: null }), matmul(own, b, { transB: true, alpha: scale }));
  });
}

function lowRank(x: Node, { a, b, scale }: LoraNodes): Node {
  return matmul(matmul(x, a, { transB: true }), b, { transB: true, alpha: scale });
}

/**
 * DoRA (Liu et al. 2024, equation 5, with the norm a constant as in its section 4.3): m / ‖W + s B A‖ (x Wᵀ + s (x Aᵀ) Bᵀ).
 * With dropout, PEFT drops what the adapter changes: x Wᵀ + (g - 1) d Wᵀ + g s (d Aᵀ) Bᵀ with d the dropped x and g the ratio.
 */
function decomposed(x: Node, w: Node, lora: LoraNodes, { magnitude, norm }: DoraNodes): Node {
  const ratio = div(magnitude, norm);
  if (!lora.dropout) return mul(ratio, keep(add(matmul(x, w, { transB: true }), lowRank(x, lora))));
  const dropped = mul(x, lora.dropout);
  const base = matmul(dropped, w, { transB: true });
  const turned = keep(add(base, lowRank(dropped, lora)));
  return add(matmul(sub(x, dropped), w, { transB: true }), mul(ratio, turned));
}
