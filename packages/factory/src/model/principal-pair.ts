// In: a weight matrix and a rank. Out: the LoRA pair that PiSSA begins with (Meng et al. 2024), the largest singular part of the
// matrix, which is taken out of it. What is trained is then the principal part, and the rest of the matrix is frozen.
import { leadingVectors, type MatrixProduct } from '@tunesmith/engine';

/**
 * W = U S Vᵀ: A = √(S/s) Vᵀ and B = U √(S/s) of the first `rank` singular values; `weight` [out, in] becomes W - s B A in
 * place. The vectors are exact to what float32 products give, with the signs that `leadingVectors` chooses.
 */
export async function takePrincipalPair(
  weight: Float32Array,
  [outFeatures, inFeatures]: readonly number[],
  { rank, scale }: { rank: number; scale: number },
  product: MatrixProduct,
): Promise<{ a: Float32Array; b: Float32Array }> {
  const w = { rows: outFeatures, columns: inFeatures, data: weight };
  const { left, right } = await leadingVectors(w, rank, product);
  const turned = await product(w, right, { b: true }); // [out, count]: U S
  const a = new Float32Array(rank * inFeatures);
  const b = new Float32Array(outFeatures * rank);
  for (let k = 0; k < left.rows; k++) {
    let value = 0;
    for (let o = 0; o < outFeatures; o++)
      value += left.data[k * outFeatures + o] * turned.data[o * left.rows + k];
    const root = Math.sqrt(Math.max(0, value) / scale);
    for (let i = 0; i < inFeatures; i++) a[k * inFeatures + i] = root * right.data[k * inFeatures + i];
    for (let o = 0; o < outFeatures; o++) b[o * rank + k] = root * left.data[k * outFeatures + o];
  }
  const principal = await product(
    { rows: outFeatures, columns: rank, data: b },
    { rows: rank, columns: inFeatures, data: a },
  );
  for (let i = 0; i < weight.length; i++) weight[i] -= scale * principal.data[i];
  return { a, b };
}
