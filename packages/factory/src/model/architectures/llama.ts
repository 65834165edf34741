// In: the config.json of a Llama model (1, 2, 3 and what copies their layout). Out: its ModelConfig.
import { type ArchitectureSpec, readDecoder } from './decoder-config.ts';

export const llama: ArchitectureSpec = {
  architecture: 'llama',
  modelTypes: ['llama'],
  className: 'LlamaForCausalLM',
  read(fields) {
    const attentionBias = fields.boolean('attention_bias', false);
    return readDecoder(fields, {
      architecture: 'llama',
      maxPositions: 2048,
      kvHeads: null,
      headDim: null,
      qkvBias: attentionBias,
      outputBias: attentionBias,
      mlpBias: fields.boolean('mlp_bias', false),
      qkNorm: false,
      windows: (layers) => new Array(layers).fill(null),
    });
  },
};
