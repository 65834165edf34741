// In: a ModelConfig. Out: the names and shapes that its checkpoint must have, in Hugging Face's layout.
// It looks at no file.
import type { ModelConfig } from '#factory/records/model-config.ts';

/** Shapes are [out, in] for linear layers, as PyTorch stores them. A tied head has no tensor of its own. */
export function expectedTensors(config: ModelConfig): Map<string, number[]> {
  const { hiddenSize, intermediateSize, headDim } = config;
  const q = config.heads * headDim;
  const kv = config.kvHeads * headDim;
  const tensors = new Map<string, number[]>();
  const linear = (module: string, outputs: number, inputs: number, hasBias: boolean) => {
    tensors.set(`${module}.weight`, [outputs, inputs]);
    if (hasBias) tensors.set(`${module}.bias`, [outputs]);
  };

  tensors.set('model.embed_tokens.weight', [config.vocabSize, hiddenSize]);
  for (let i = 0; i < config.layers; i++) {
    const layer = `model.layers.${i}`;
    tensors.set(`${layer}.input_layernorm.weight`, [hiddenSize]);
    linear(`${layer}.self_attn.q_proj`, q, hiddenSize, config.qkvBias);
    linear(`${layer}.self_attn.k_proj`, kv, hiddenSize, config.qkvBias);
    linear(`${layer}.self_attn.v_proj`, kv, hiddenSize, config.qkvBias);
    linear(`${layer}.self_attn.o_proj`, hiddenSize, q, config.outputBias);
    if (config.qkNorm) {
      tensors.set(`${layer}.self_attn.q_norm.weight`, [headDim]);
      tensors.set(`${layer}.self_attn.k_norm.weight`, [headDim]);
    }
    tensors.set(`${layer}.post_attention_layernorm.weight`, [hiddenSize]);
    linear(`${layer}.mlp.gate_proj`, intermediateSize, hiddenSize, config.mlpBias);
    linear(`${layer}.mlp.up_proj`, intermediateSize, hiddenSize, config.mlpBias);
    linear(`${layer}.mlp.down_proj`, hiddenSize, intermediateSize, config.mlpBias);
  }
  tensors.set('model.norm.weight', [hiddenSize]);
  if (!config.tieEmbeddings) tensors.set('lm_head.weight', [config.vocabSize, hiddenSize]);
  return tensors;
}
