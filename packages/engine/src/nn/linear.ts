// In: rows x [n, in] and the nodes of a projection. Out: rows [n, out] = (residual +) x Wᵀ (+ bias) (+ s (x Aᵀ) Bᵀ).
// Graphs only.
import { add, cast, matmul, mul } from '../graph/build.ts';
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
  let y = matmul(x, cast(weight, 'f32'), { transB: true });
  // Added first, so that the product accumulates into it in one kernel.
  if (residual) y = add(residual, y);
  if (bias) y = add(y, cast(bias, 'f32'));
  if (!lora) return y;
  const input = lora.dropout ? mul(x, lora.dropout) : x;
  const down = matmul(input, lora.a, { transB: true });
  return add(y, matmul(down, lora.b, { transB: true, alpha: lora.scale }));
}
