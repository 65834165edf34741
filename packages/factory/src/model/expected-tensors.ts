// In: a ModelConfig. Out: the names and shapes that its checkpoint must have, in Hugging Face's layout.
// It looks at no file.
import type { ModelConfig } from '#factory/records/model-config.ts';
import { attentionModules, expertModules, type LinearModule, mlpModules } from './layer-modules.ts';

/** Shapes are [out, in] for linear layers, as PyTorch stores them. A tied head has no tensor of its own. */
export function expectedTensors(config: ModelConfig): Map<string, number[]> {
  const { hiddenSize, headDim, norms } = config;
  const tensors = new Map<string, number[]>();
  tensors.set('model.embed_tokens.weight', [config.vocabSize, hiddenSize]);
  for (let i = 0; i < config.layers; i++) {
    const layer = `model.layers.${i}`;
    const norm = (name: string | null, size = hiddenSize) => {
      if (name) tensors.set(`${layer}.${name}.weight`, [size]);
    };
    const linear = ({ name, outFeatures, inFeatures, bias }: LinearModule) => {
      tensors.set(`${layer}.${name}.weight`, [outFeatures, inFeatures]);
      if (bias) tensors.set(`${layer}.${name}.bias`, [outFeatures]);
    };
    norm(norms.beforeAttention);
    attentionModules(config).forEach(linear);
    if (config.qkNorm) for (const name of ['self_attn.q_norm', 'self_attn.k_norm']) norm(name, headDim);
    norm(norms.afterAttention);
    norm(norms.beforeMlp);
    mlpModules(config, i).forEach(linear);
    for (const expert of expertModules(config, i)) Object.values(expert).forEach(linear);
    norm(norms.afterMlp);
  }
  tensors.set('model.norm.weight', [hiddenSize]);
  if (!config.tieEmbeddings) tensors.set('lm_head.weight', [config.vocabSize, hiddenSize]);
  return tensors;
}

/** What an adapter may name: the tensors, and a tied head, which such an adapter unties. */
export function adaptedTensors(config: ModelConfig): Map<string, number[]> {
  return expectedTensors(config).set('lm_head.weight', [config.vocabSize, config.hiddenSize]);
}
