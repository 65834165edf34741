// In: a path and the config.json of a shape. Out: a GGUF file of that shape: layers in q4_0, the embedding and the head in
// q8_0, and a small tokenizer. All blocks are alike: only sizes mean something here.
import { existsSync, writeFileSync } from 'node:fs';
import { parseModelConfig } from '../../packages/factory/src/model/config.ts';
import { expectedTensors } from '../../packages/factory/src/model/expected-tensors.ts';
import { type WrittenTensor, writeGguf } from '../../packages/factory/src/model/fixtures/write-gguf.ts';
import type { RawConfig } from './random-model.ts';

/** ggml's numbers of types; bytes of a block of 32 values. */
const F32 = 0;
const Q4_0 = { type: 2, bytes: 18 };
const Q8_0 = { type: 8, bytes: 34 };

const IN_LAYER: Readonly<Record<string, string>> = {
  input_layernorm: 'attn_norm',
  'self_attn.q_proj': 'attn_q',
  'self_attn.k_proj': 'attn_k',
  'self_attn.v_proj': 'attn_v',
  'self_attn.o_proj': 'attn_output',
  'self_attn.q_norm': 'attn_q_norm',
  'self_attn.k_norm': 'attn_k_norm',
  post_attention_layernorm: 'ffn_norm',
  'mlp.gate_proj': 'ffn_gate',
  'mlp.up_proj': 'ffn_up',
  'mlp.down_proj': 'ffn_down',
};

/** Writes the file, unless it is there, and returns its path. */
export function makeRandomGguf(path: string, raw: RawConfig): string {
  if (existsSync(path)) return path;
  const config = parseModelConfig(raw, 'config.json');
  const arch = String(raw.model_type);
  const of = (key: string) => `${arch}.${key}`;
  const tensors = [...expectedTensors(config)].map(([name, shape]) => tensorOf(name, shape));
  const bytes = writeGguf(
    {
      'general.architecture': arch,
      [of('block_count')]: config.layers,
      [of('embedding_length')]: config.hiddenSize,
      [of('feed_forward_length')]: config.intermediateSize,
      [of('context_length')]: 4096,
      [of('attention.head_count')]: config.heads,
      [of('attention.head_count_kv')]: config.kvHeads,
      [of('attention.key_length')]: config.headDim,
      [of('attention.value_length')]: config.headDim,
      [of('attention.layer_norm_rms_epsilon')]: 1e-6,
      ...tokenizer(),
    },
    tensors,
  );
  writeFileSync(path, bytes);
  return path;
}

function tensorOf(name: string, shape: number[]): WrittenTensor {
  const count = shape.reduce((n, d) => n * d, 1);
  const own = { name: ggufName(name), shape };
  if (shape.length < 2)
    return { ...own, type: F32, data: new Uint8Array(new Float32Array(count).fill(1).buffer) };
  const { type, bytes } = name.startsWith('model.layers.') ? Q4_0 : Q8_0;
  const data = new Uint8Array((count / 32) * bytes).fill(0x59);
  // The float16 scale at the head of each block: about 0.01.
  for (let at = 0; at < data.length; at += bytes) data.set([0x1f, 0x21], at);
  return { ...own, type, data };
}

function ggufName(name: string): string {
  if (name === 'model.embed_tokens.weight') return 'token_embd.weight';
  if (name === 'model.norm.weight') return 'output_norm.weight';
  if (name === 'lm_head.weight') return 'output.weight';
  const [, layer, part, kind] = /^model\.layers\.(\d+)\.(.+)\.(weight|bias)$/.exec(name) as RegExpExecArray;
  return `blk.${layer}.${IN_LAYER[part]}.${kind}`;
}

/** Byte-level, a token per printable ASCII character. */
function tokenizer() {
  const characters = Array.from({ length: 95 }, (_, i) => (i === 0 ? '\u0120' : String.fromCharCode(32 + i)));
  const tokens = ['<s>', '</s>', ...characters, 'ab'];
  return {
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.pre': 'gpt-2',
    'tokenizer.ggml.tokens': tokens,
    'tokenizer.ggml.merges': ['a b'],
    'tokenizer.ggml.bos_token_id': 0,
    'tokenizer.ggml.eos_token_id': 1,
  };
}
