// In: the config.json of a Qwen3 model with experts. Out: its ModelConfig. Some layers may have a plain MLP.
import { type ArchitectureSpec, readDecoder, readExpertCounts, readQwenWindows } from './decoder-config.ts';

export const qwen3Moe: ArchitectureSpec = {
  architecture: 'qwen3_moe',
  modelTypes: ['qwen3_moe'],
  className: 'Qwen3MoeForCausalLM',
  read(fields) {
    const attentionBias = fields.boolean('attention_bias', false);
    const isDense = denseLayers(fields.raw.mlp_only_layers);
    if (!isDense) throw fields.bad('mlp_only_layers', 'a list of layer numbers');
    const step = fields.integer('decoder_sparse_step', { max: 4096, fallback: 1 });
    return readDecoder(fields, {
      architecture: 'qwen3_moe',
      maxPositions: 32_768,
      kvHeads: Object.hasOwn(fields.raw, 'num_key_value_heads') ? null : 4,
      headDim: null,
      qkvBias: attentionBias,
      outputBias: attentionBias,
      mlpBias: false,
      qkNorm: true,
      windows: (layers) => readQwenWindows(fields, layers),
      experts: (layers) => ({
        ...readExpertCounts(fields, { count: 128, active: 8 }),
        width: fields.integer('moe_intermediate_size', { max: 2 ** 20, fallback: 768 }),
        normalised: fields.boolean('norm_topk_prob', false),
        layers: Array.from({ length: layers }, (_, i) => !isDense.has(i) && (i + 1) % step === 0),
        names: {
          router: 'mlp.gate',
          prefix: 'mlp.experts',
          gate: 'gate_proj',
          up: 'up_proj',
          down: 'down_proj',
        },
      }),
    });
  },
};

function denseLayers(value: unknown): Set<number> | null {
  if (value === undefined || value === null) return new Set();
  return Array.isArray(value) && value.every((i) => Number.isInteger(i)) ? new Set(value) : null;
}
