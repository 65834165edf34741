// In: the config.json of a Mistral model. Out: its ModelConfig. One sliding window holds for all layers, or for none.
import { type ArchitectureSpec, readDecoder } from './decoder-config.ts';

export const mistral: ArchitectureSpec = {
  architecture: 'mistral',
  modelTypes: ['mistral'],
  className: 'MistralForCausalLM',
  read(fields) {
    // An explicit null means full attention; an absent key means Mistral 7B v0.1's window.
    const isNull = Object.hasOwn(fields.raw, 'sliding_window') && !fields.has('sliding_window');
    const window = isNull ? null : fields.integer('sliding_window', { max: 2 ** 31 - 1, fallback: 4096 });
    return readDecoder(fields, {
      architecture: 'mistral',
      maxPositions: 131_072,
      kvHeads: Object.hasOwn(fields.raw, 'num_key_value_heads') ? null : 8,
      headDim: null,
      qkvBias: false,
      outputBias: false,
      mlpBias: false,
      qkNorm: false,
      windows: (layers) => new Array(layers).fill(window),
    });
  },
};
