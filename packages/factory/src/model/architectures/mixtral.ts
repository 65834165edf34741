// In: the config.json of a Mixtral model. Out: its ModelConfig: Mistral with experts in every layer.
import { type ArchitectureSpec, readDecoder, readExpertCounts } from './decoder-config.ts';

export const mixtral: ArchitectureSpec = {
  architecture: 'mixtral',
  modelTypes: ['mixtral'],
  className: 'MixtralForCausalLM',
  read(fields) {
    if (fields.number('router_jitter_noise', { fallback: 0 }) !== 0)
      throw fields.bad('router_jitter_noise', '0');
    const window = fields.has('sliding_window')
      ? fields.integer('sliding_window', { max: 2 ** 31 - 1 })
      : null;
    return readDecoder(fields, {
      architecture: 'mixtral',
      maxPositions: 131_072,
      kvHeads: Object.hasOwn(fields.raw, 'num_key_value_heads') ? null : 8,
      headDim: null,
      qkvBias: false,
      outputBias: false,
      mlpBias: false,
      qkNorm: false,
      rmsNormEps: 1e-5,
      windows: (layers) => new Array(layers).fill(window),
      experts: (layers) => ({
        ...readExpertCounts(fields, { count: 8, active: 2 }),
        width: fields.integer('intermediate_size', { max: 2 ** 20 }),
        normalised: true,
        layers: new Array(layers).fill(true),
        names: {
          router: 'block_sparse_moe.gate',
          prefix: 'block_sparse_moe.experts',
          gate: 'w1',
          up: 'w3',
          down: 'w2',
        },
      }),
    });
  },
};
