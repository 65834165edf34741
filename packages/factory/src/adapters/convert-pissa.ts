// In: a PiSSA adapter before and after training. Out: a plain LoRA adapter of twice the rank for the original base, as PEFT's
// path_initial_model_for_weight_conversion makes it. Pure.
import type { LoraAdapter, LoraPair } from '#factory/records/adapter.ts';

/** s (B A - B0 A0) as one pair: A over A0, and B beside -B0. */
export function convertPissa(
  trained: LoraAdapter,
  initial: ReadonlyMap<string, Pick<LoraPair, 'a' | 'b'>>,
): LoraAdapter {
  const growth = trained.useRslora ? Math.SQRT2 : 2;
  return {
    ...trained,
    rank: 2 * trained.rank,
    // So that the scale stays: alpha / rank, or alpha / √rank.
    alpha: growth * trained.alpha,
    start: null,
    pairs: trained.pairs.map((pair): LoraPair => {
      const { rank, outFeatures, a, b } = pair;
      const before = initial.get(pair.module) as Pick<LoraPair, 'a' | 'b'>;
      const joinedA = new Float32Array(2 * a.length);
      joinedA.set(a);
      joinedA.set(before.a, a.length);
      const joinedB = new Float32Array(2 * b.length);
      for (let out = 0; out < outFeatures; out++)
        for (let r = 0; r < rank; r++) {
          joinedB[out * 2 * rank + r] = b[out * rank + r];
          joinedB[out * 2 * rank + rank + r] = -before.b[out * rank + r];
        }
      return { ...pair, rank: 2 * rank, a: joinedA, b: joinedB };
    }),
  };
}
