// In: the config.json of a Qwen2 or Qwen2.5 model. Out: its ModelConfig. q, k and v always have biases.
import { type ArchitectureSpec, readDecoder, readQwenWindows } from './decoder-config.ts';

export const qwen2: ArchitectureSpec = {
  architecture: 'qwen2',
  modelTypes: ['qwen2'],
  className: 'Qwen2ForCausalLM',
  read: (fields) =>
    readDecoder(fields, {
      architecture: 'qwen2',
      maxPositions: 32_768,
      kvHeads: Object.hasOwn(fields.raw, 'num_key_value_heads') ? null : 32,
      headDim: null,
      qkvBias: true,
      outputBias: false,
      mlpBias: false,
      qkNorm: false,
      windows: (layers) => readQwenWindows(fields, layers),
    }),
};
