// In: a weight matrix and a LoRA pair on it. Out: the matrix with the adapter folded in. Pure; reads and writes no file.
import { FactoryError } from '#factory/errors.ts';
import type { LoraAdapter, LoraPair } from '#factory/records/adapter.ts';

/** s in W + s·B·A: alpha / rank, or alpha / √rank with rank-stabilised LoRA (arXiv 2312.03732). */
export function loraScale(
  adapter: Pick<LoraAdapter, 'alpha' | 'useRslora'>,
  pair: Pick<LoraPair, 'rank'>,
): number {
  return adapter.alpha / (adapter.useRslora ? Math.sqrt(pair.rank) : pair.rank);
}

/**
 * W + scale·B·A as a new matrix [out, in], its rows brought to the magnitudes with DoRA; products are summed in float64 and
 * rounded once.
 */
export function mergeIntoWeights(
  name: string,
  weight: Float32Array,
  pair: Pick<LoraPair, 'inFeatures' | 'outFeatures' | 'rank' | 'a' | 'b' | 'magnitude'>,
  scale: number,
): Float32Array {
  const { inFeatures, outFeatures, rank, a, b, magnitude } = pair;
  const fits =
    weight.length === inFeatures * outFeatures &&
    a.length === rank * inFeatures &&
    b.length === outFeatures * rank;
  if (!fits) {
    throw new FactoryError({
      code: 'ADAPTERS_MISMATCH',
      message: `tensor ${name}: expected ${outFeatures} × ${inFeatures} values for a rank-${rank} adapter, found ${weight.length} (A has ${a.length}, B has ${b.length})`,
      remedy: 'Set model_name_or_path to the base model that the adapter was trained on.',
      details: { tensor: name },
    });
  }
  const merged = new Float32Array(weight.length);
  const delta = new Float64Array(inFeatures);
  for (let out = 0; out < outFeatures; out++) {
    delta.fill(0);
    for (let r = 0; r < rank; r++) {
      const factor = scale * b[out * rank + r];
      if (factor === 0) continue;
      for (let i = 0, at = r * inFeatures; i < inFeatures; i++, at++) delta[i] += factor * a[at];
    }
    const row = out * inFeatures;
    let square = 0;
    for (let i = 0; i < inFeatures; i++) {
      delta[i] += weight[row + i];
      square += delta[i] * delta[i];
    }
    const factor = magnitude ? magnitude[out] / Math.sqrt(square) : 1;
    for (let i = 0; i < inFeatures; i++) merged[row + i] = factor * delta[i];
  }
  return merged;
}
