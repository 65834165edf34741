// In: the config.json of a dense Qwen3 model. Out: its ModelConfig. Heads of q and k are normed; head_dim is 128 unless given.
import { type ArchitectureSpec, readDecoder, readQwenWindows } from './decoder-config.ts';

export const qwen3: ArchitectureSpec = {
  architecture: 'qwen3',
  modelTypes: ['qwen3'],
  className: 'Qwen3ForCausalLM',
  read(fields) {
    const attentionBias = fields.boolean('attention_bias', false);
    return readDecoder(fields, {
      architecture: 'qwen3',
      maxPositions: 32_768,
      kvHeads: Object.hasOwn(fields.raw, 'num_key_value_heads') ? null : 32,
      headDim: 128,
      qkvBias: attentionBias,
      outputBias: attentionBias,
      mlpBias: false,
      qkNorm: true,
      windows: (layers) => readQwenWindows(fields, layers),
    });
  },
};
