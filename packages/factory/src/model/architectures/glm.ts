// In: the config.json of a GLM-4 model: glm (9B of 2024) or glm4 (0414). Out: its ModelConfig. Rope turns neighbouring
// values of half of each head; gate and up are one matrix; glm4 has norms after each block too.
import type { LayerNorms } from '#factory/records/model-config.ts';
import type { ConfigFields } from '../config-fields.ts';
import { type ArchitectureSpec, readDecoder } from './decoder-config.ts';

const SANDWICH: LayerNorms = {
  beforeAttention: 'input_layernorm',
  afterAttention: 'post_self_attn_layernorm',
  beforeMlp: 'post_attention_layernorm',
  afterMlp: 'post_mlp_layernorm',
};

const read = (fields: ConfigFields, architecture: 'glm' | 'glm4', norms?: LayerNorms) =>
  readDecoder(fields, {
    architecture,
    maxPositions: 131_072,
    kvHeads: Object.hasOwn(fields.raw, 'num_key_value_heads') ? null : 2,
    headDim: Object.hasOwn(fields.raw, 'head_dim') ? null : 128,
    qkvBias: fields.boolean('attention_bias', true),
    outputBias: false,
    mlpBias: false,
    qkNorm: false,
    windows: (layers) => new Array(layers).fill(null),
    norms,
    rmsNormEps: 1.5625e-7,
    fusedGateUp: true,
    partialRotary: 0.5,
    ropeInterleaved: true,
  });

export const glm: ArchitectureSpec = {
  architecture: 'glm',
  modelTypes: ['glm'],
  className: 'GlmForCausalLM',
  read: (fields) => read(fields, 'glm'),
};

export const glm4: ArchitectureSpec = {
  architecture: 'glm4',
  modelTypes: ['glm4'],
  className: 'Glm4ForCausalLM',
  read: (fields) => read(fields, 'glm4', SANDWICH),
};
