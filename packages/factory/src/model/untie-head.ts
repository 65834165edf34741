// In: an opened base and the tensors that are trained or replaced. Out: the same base, with an output head of its own where
// it was tied and only one of the two changes. PEFT copies a module that it saves, so a tied head stays as it was there.
import type { ModelConfig, WeightSource } from '#factory/records/model-config.ts';

const EMBEDDING = 'model.embed_tokens.weight';
const HEAD = 'lm_head.weight';

export function untieHead(
  { config, weights }: { config: ModelConfig; weights: WeightSource },
  changed: readonly string[],
): { config: ModelConfig; source: WeightSource } {
  if (!config.tieEmbeddings || !changed.some((name) => name === EMBEDDING || name === HEAD))
    return { config, source: weights };
  const { readInto } = weights;
  const stored = (name: string) => (name === HEAD ? EMBEDDING : name);
  const entry = weights.tensors.get(EMBEDDING) as NonNullable<ReturnType<typeof weights.tensors.get>>;
  const source: WeightSource = {
    tensors: new Map([...weights.tensors, [HEAD, entry]]),
    read: async (name) => ({ ...(await weights.read(stored(name))), name }),
    ...(readInto ? { readInto: (name, into, from) => readInto(stored(name), into, from) } : {}),
    close: () => weights.close(),
  };
  return { config: { ...config, tieEmbeddings: false }, source };
}
