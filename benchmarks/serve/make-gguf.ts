// In: a path. Out: a GGUF file with the shape of SmolLM2-135M: random weights, layers in q4_0, the tied embedding in q8_0, and as
// many tokens as the model has. Speed does not depend on what it says.
import { existsSync, writeFileSync } from 'node:fs';
import type { GgmlType, GgufField } from '../../packages/factory/src/records/gguf.ts';
import { encodeGgufHeader } from '../../packages/factory/src/store/gguf-format.ts';

const HIDDEN = 576;
const INNER = 1536;
const LAYERS = 30;
const HEADS = 9;
const KV_HEADS = 3;
const VOCABULARY = 49_152;

/** Bytes of a block of 32 values; its scale is a half at the front. */
const BLOCK_BYTES: Partial<Record<GgmlType, number>> = { Q4_0: 18, Q8_0: 34 };
/** About 0.01 and 0.0006, so that rows have a norm near that of a trained model. */
const SCALES: Partial<Record<GgmlType, readonly [number, number]>> = {
  Q4_0: [0x1f, 0x21],
  Q8_0: [0xea, 0x10],
};

export function makeServedGguf(path: string): string {
  if (existsSync(path)) return path;
  const kv = (HIDDEN / HEADS) * KV_HEADS;
  const tensors: { name: string; shape: number[]; type: GgmlType }[] = [
    { name: 'token_embd.weight', shape: [VOCABULARY, HIDDEN], type: 'Q8_0' },
    { name: 'output_norm.weight', shape: [HIDDEN], type: 'F32' },
  ];
  for (let i = 0; i < LAYERS; i++) {
    const of = (part: string, shape: number[]) =>
      tensors.push({ name: `blk.${i}.${part}.weight`, shape, type: shape.length === 1 ? 'F32' : 'Q4_0' });
    of('attn_norm', [HIDDEN]);
    of('attn_q', [HIDDEN, HIDDEN]);
    of('attn_k', [kv, HIDDEN]);
    of('attn_v', [kv, HIDDEN]);
    of('attn_output', [HIDDEN, HIDDEN]);
    of('ffn_norm', [HIDDEN]);
    of('ffn_gate', [INNER, HIDDEN]);
    of('ffn_up', [INNER, HIDDEN]);
    of('ffn_down', [HIDDEN, INNER]);
  }
  const u32 = (value: number): GgufField => ({ type: 'uint32', value });
  const text = (value: string): GgufField => ({ type: 'string', value });
  const special = ['<unk>', '<s>', '</s>'];
  const bytes = Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`);
  const known = special.length + bytes.length;
  const tokens = [...special, ...bytes, ...Array.from({ length: VOCABULARY - known }, (_, i) => `t${i}`)];
  const fields: Record<string, GgufField> = {
    'general.architecture': text('llama'),
    'llama.block_count': u32(LAYERS),
    'llama.context_length': u32(2048),
    'llama.embedding_length': u32(HIDDEN),
    'llama.feed_forward_length': u32(INNER),
    'llama.attention.head_count': u32(HEADS),
    'llama.attention.head_count_kv': u32(KV_HEADS),
    'llama.attention.layer_norm_rms_epsilon': { type: 'float32', value: 1e-5 },
    'tokenizer.ggml.model': text('llama'),
    'tokenizer.ggml.tokens': { type: 'array', of: 'string', value: tokens },
    'tokenizer.ggml.scores': { type: 'array', of: 'float32', value: tokens.map(() => 0) },
    'tokenizer.ggml.token_type': {
      type: 'array',
      of: 'int32',
      value: tokens.map((_, id) => (id < special.length ? 3 : id < known ? 6 : 1)),
    },
    'tokenizer.ggml.bos_token_id': u32(1),
    'tokenizer.ggml.eos_token_id': u32(2),
  };
  const header = encodeGgufHeader(new Map(Object.entries(fields)), tensors);
  const parts: Uint8Array[] = [header];
  let state = 1;
  for (const { shape, type } of tensors) {
    const count = shape.reduce((n, d) => n * d, 1);
    const block = BLOCK_BYTES[type];
    if (block === undefined) {
      parts.push(new Uint8Array(new Float32Array(count).fill(1).buffer));
      continue;
    }
    const words = new Uint32Array(((count / 32) * block) / 4);
    for (let i = 0; i < words.length; i++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      words[i] = state;
    }
    const bytes = new Uint8Array(words.buffer);
    for (let at = 0; at < bytes.length; at += block) bytes.set(SCALES[type] ?? [], at);
    const padded = new Uint8Array(Math.ceil(bytes.length / 32) * 32);
    padded.set(bytes);
    parts.push(padded);
  }
  writeFileSync(path, Buffer.concat(parts));
  return path;
}
