// In: module paths, sizes and a seed. Out: the adapters that training starts from: A uniform in ±1/sqrt(in), B zero, which
// is PEFT's Kaiming-uniform(a = sqrt 5) start. Each module draws from a stream of its own name, so the values do not
// depend on which other modules are adapted.
import { seededRandom } from '#factory/records/seeded-random.ts';

export function initialLora(
  modules: readonly string[],
  shapeOf: (module: string) => readonly number[],
  rank: number,
  seed: number,
): Map<string, { a: Float32Array; b: Float32Array }> {
  const pairs = new Map<string, { a: Float32Array; b: Float32Array }>();
  for (const module of modules) {
    const [outFeatures, inFeatures] = shapeOf(module);
    const random = seededRandom(`${seed}/lora/${module}`);
    const bound = 1 / Math.sqrt(inFeatures);
    const a = Float32Array.from({ length: rank * inFeatures }, () => (2 * random.next() - 1) * bound);
    pairs.set(module, { a, b: new Float32Array(outFeatures * rank) });
  }
  return pairs;
}
