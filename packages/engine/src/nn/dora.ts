// In: a layer spec with DoRA adapters. Out: graphs of the squared norms of its weights' rows, and of the norms of the rows of
// W + s B A. The latter needs no product of the size of W: ‖w + s b A‖² = ‖w‖² + 2 s b (A wᵀ) + s² b (A Aᵀ) bᵀ per row.
import { add, cast, makeInput, matmul, mul, reduceSum, sqrt } from '../graph/build.ts';
import { type Graph, makeGraph, type Node } from '../graph/node.ts';
import type { LayerSpec } from './layer-spec.ts';

/** Projections with a magnitude vector. */
export function doraProjections(spec: LayerSpec): string[] {
  return Object.entries(spec.projections).flatMap(([name, { lora }]) => (lora?.dora ? [name] : []));
}

function weightOf(spec: LayerSpec, name: string): Node {
  const { inFeatures, outFeatures, dtype } = spec.projections[name];
  return cast(makeInput(`${name}.weight`, [outFeatures, inFeatures], dtype), 'f32');
}

/** `<projection>.weight` -> `<projection>.weight_square` [out]. Frozen weights need this once. */
export function doraSquares(spec: LayerSpec): Graph {
  const outputs = doraProjections(spec).map((name): [string, Node] => {
    const w = weightOf(spec, name);
    return [`${name}.weight_square`, reduceSum(mul(w, w), [1])];
  });
  return makeGraph('dora_squares', Object.fromEntries(outputs));
}

/** Weights, adapters and `<projection>.weight_square` -> `<projection>.weight_norm` [out]. */
export function doraNorms(spec: LayerSpec): Graph {
  const outputs = doraProjections(spec).map((name): [string, Node] => {
    const { inFeatures, outFeatures, lora } = spec.projections[name];
    const { rank, scale } = lora as NonNullable<typeof lora>;
    const a = makeInput(`${name}.lora_A.weight`, [rank, inFeatures]);
    const b = makeInput(`${name}.lora_B.weight`, [outFeatures, rank]);
    const cross = matmul(weightOf(spec, name), a, { transB: true, alpha: 2 * scale }); // [out, rank]
    const own = matmul(b, matmul(a, a, { transB: true }), { alpha: scale * scale });
    const square = makeInput(`${name}.weight_square`, [outFeatures]);
    return [`${name}.weight_norm`, sqrt(add(square, reduceSum(mul(b, add(cross, own)), [1])))];
  });
  return makeGraph('dora_norms', Object.fromEntries(outputs));
}
