// In: a ModelConfig and a seed. Out: the weights of an untrained model, for training from scratch.
// Hugging Face's rule: normal(0, initializer_range) for matrices, norms that multiply by one, zeros for biases and the pad token's
// row. Each tensor has a random stream of its own, so the order of reading does not matter.
import { invariant } from '#factory/errors.ts';
import type { ModelConfig, WeightSource, WeightTensor } from '#factory/records/model-config.ts';
import { type SeededRandom, seededRandom } from '#factory/records/seeded-random.ts';
import { configFields } from './config-fields.ts';
import { expectedTensors } from './expected-tensors.ts';

export function initialWeights(config: ModelConfig, seed: number): WeightSource {
  const fields = configFields(config.raw, 'config.json');
  const deviation = fields.number('initializer_range', { min: 0, max: 1, fallback: 0.02 });
  const padRow = fields.has('pad_token_id')
    ? fields.integer('pad_token_id', { min: -1, max: config.vocabSize - 1 })
    : -1;
  const shapes = expectedTensors(config);
  const tensors = new Map(
    [...shapes].map(([name, shape]) => [name, { dtype: 'F32' as const, shape, file: 'initial weights' }]),
  );

  return {
    tensors,
    async read(name): Promise<WeightTensor> {
      const shape = shapes.get(name);
      invariant(shape, `no tensor ${name} in this model`);
      const data = new Float32Array(shape.reduce((total, size) => total * size, 1));
      if (name.endsWith('norm.weight')) data.fill(1 - config.normOffset);
      else if (!name.endsWith('.bias')) {
        fillNormal(data, deviation, seededRandom(`${seed}/initial-weights/${name}`));
        if (name === 'model.embed_tokens.weight' && padRow >= 0) {
          data.fill(0, padRow * config.hiddenSize, (padRow + 1) * config.hiddenSize);
        }
      }
      return { name, dtype: 'F32', shape, data };
    },
    async close() {},
  };
}

/** Box–Muller: two independent normal values from two uniform ones. */
function fillNormal(data: Float32Array, deviation: number, random: SeededRandom): void {
  for (let i = 0; i < data.length; i += 2) {
    // 1 - next() is in (0, 1], so the logarithm is finite.
    const radius = deviation * Math.sqrt(-2 * Math.log(1 - random.next()));
    const angle = 2 * Math.PI * random.next();
    data[i] = radius * Math.cos(angle);
    if (i + 1 < data.length) data[i + 1] = radius * Math.sin(angle);
  }
}
