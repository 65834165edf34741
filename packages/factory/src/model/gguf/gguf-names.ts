// In: a ModelConfig. Out: llama.cpp's name of its architecture and of each of its tensors, and the order of rows in which
// llama.cpp keeps them (gguf-py's tensor_mapping.py). Weights are not touched.
import { invariant } from '#factory/errors.ts';
import type { Architecture, ModelConfig } from '#factory/records/model-config.ts';

/** `general.architecture`. Mistral and Mixtral are Llama with other sizes there. */
export const GGUF_ARCHITECTURE: Readonly<Record<Architecture, string>> = {
  llama: 'llama',
  mistral: 'llama',
  mixtral: 'llama',
  qwen2: 'qwen2',
  qwen3: 'qwen3',
  qwen3_moe: 'qwen3moe',
  gemma2: 'gemma2',
  gemma3: 'gemma3',
  phi3: 'phi3',
  glm: 'chatglm',
  glm4: 'glm4',
};

const IN_LAYER: Readonly<Record<string, string>> = {
  'self_attn.q_proj': 'attn_q',
  'self_attn.k_proj': 'attn_k',
  'self_attn.v_proj': 'attn_v',
  'self_attn.qkv_proj': 'attn_qkv',
  'self_attn.o_proj': 'attn_output',
  'self_attn.q_norm': 'attn_q_norm',
  'self_attn.k_norm': 'attn_k_norm',
  'mlp.gate_proj': 'ffn_gate',
  'mlp.up_proj': 'ffn_up',
  'mlp.gate_up_proj': 'ffn_up',
  'mlp.down_proj': 'ffn_down',
};

/** llama.cpp's name of a tensor that is not of one expert. */
export function ggufTensorName(name: string, { norms, experts }: ModelConfig): string {
  if (name === 'model.embed_tokens.weight') return 'token_embd.weight';
  if (name === 'model.norm.weight') return 'output_norm.weight';
  if (name === 'lm_head.weight') return 'output.weight';
  const [, layer, part, kind] = /^model\.layers\.(\d+)\.(.+)\.(weight|bias)$/.exec(name) ?? [];
  const roles: Record<string, string> = {
    ...IN_LAYER,
    [norms.beforeAttention]: 'attn_norm',
    [norms.beforeMlp]: 'ffn_norm',
    ...(norms.afterAttention ? { [norms.afterAttention]: 'post_attention_norm' } : {}),
    ...(norms.afterMlp ? { [norms.afterMlp]: 'post_ffw_norm' } : {}),
    ...(experts ? { [experts.names.router]: 'ffn_gate_inp' } : {}),
  };
  invariant(part !== undefined && Object.hasOwn(roles, part), `no place for tensor ${name} in a GGUF file`);
  return `blk.${layer}.${roles[part]}.${kind}`;
}

/** The name of the tensor that holds all experts of a layer; null for a tensor that is not of one expert. */
export function ggufExpertStack(name: string, { experts }: ModelConfig): string | null {
  if (!experts) return null;
  const [, layer, part] = /^model\.layers\.(\d+)\.(.+)\.weight$/.exec(name) ?? [];
  const { prefix, gate, up, down } = experts.names;
  if (!part?.startsWith(`${prefix}.`)) return null;
  const role = { [gate]: 'gate', [up]: 'up', [down]: 'down' }[part.slice(part.lastIndexOf('.') + 1)];
  return `blk.${layer}.ffn_${role}_exps.weight`;
}

/**
 * llama.cpp turns neighbouring values of a head together, Hugging Face values half a head apart, so its converter puts the
 * rows of q and k of Llama models in another order. Which of Hugging Face's rows stands at a row of the file; null where
 * they are the same.
 */
export function ggufRowOrder(
  name: string,
  { architecture, headDim: d }: Pick<ModelConfig, 'architecture' | 'headDim'>,
): ((row: number) => number) | null {
  if (GGUF_ARCHITECTURE[architecture] !== 'llama' || !/self_attn\.[qk]_proj\./.test(name)) return null;
  return (row) => {
    const within = row % d;
    return row - within + (within & 1) * (d / 2) + (within >> 1);
  };
}
