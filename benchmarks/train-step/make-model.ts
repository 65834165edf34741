// In: a folder, a shape, a seed. Out: that folder as a Hugging Face checkpoint of Qwen2 architecture with random bf16
// weights: config.json and one model.safetensors, written in pieces so that memory stays flat. It makes no tokenizer,
// and text from such a model means nothing: only its sizes are those of the real one.
//
// Run: node benchmarks/train-step/make-model.ts [folder] [--seed N] [--tiny]

import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

export interface Shape {
  hidden_size: number;
  intermediate_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  num_key_value_heads: number;
  vocab_size: number;
}

/** Qwen2.5-0.5B: 494,032,768 parameters with the tied head counted once. */
export const qwen2_5_0_5b: Shape = {
  hidden_size: 896,
  intermediate_size: 4864,
  num_hidden_layers: 24,
  num_attention_heads: 14,
  num_key_value_heads: 2,
  vocab_size: 151936,
};

export const tiny: Shape = {
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  vocab_size: 512,
};

const PIECE_VALUES = 1 << 22;
const WEIGHT_STD = 0.02;

interface Tensor {
  name: string;
  shape: number[];
  fill: 'one' | 'normal';
}

/**
 * Writes the checkpoint and returns its folder. A complete one of the same shape and seed is left as it is; an
 * unfinished one cannot be mistaken for it, because the weights get their name last.
 */
export function makeModel(folder: string, shape: Shape = qwen2_5_0_5b, seed = 1): string {
  const target = resolve(folder);
  const weights = join(target, 'model.safetensors');
  const tensors = tensorsOf(shape);
  const header = headerOf(tensors, seed);
  const bytes = header.length + tensors.reduce((sum, tensor) => sum + 2 * count(tensor), 0);
  mkdirSync(target, { recursive: true });
  writeFileSync(join(target, 'config.json'), `${JSON.stringify(configOf(shape), null, 2)}\n`);
  if (existsSync(weights) && statSync(weights).size === bytes && startsWith(weights, header)) return target;

  const partial = `${weights}.partial`;
  const file = openSync(partial, 'w');
  try {
    writeAll(file, header);
    const normal = normalFiller(seed);
    const piece = new Uint16Array(PIECE_VALUES);
    for (const tensor of tensors) {
      for (let left = count(tensor); left > 0; left -= PIECE_VALUES) {
        const values = piece.subarray(0, Math.min(left, PIECE_VALUES));
        if (tensor.fill === 'one') values.fill(toBf16(1));
        else normal(values);
        writeAll(file, new Uint8Array(values.buffer, 0, values.byteLength));
      }
    }
  } finally {
    closeSync(file);
  }
  renameSync(partial, weights);
  return target;
}

function configOf(shape: Shape): Record<string, unknown> {
  return {
    architectures: ['Qwen2ForCausalLM'],
    model_type: 'qwen2',
    ...shape,
    hidden_act: 'silu',
    attention_dropout: 0,
    initializer_range: WEIGHT_STD,
    max_position_embeddings: 32768,
    max_window_layers: shape.num_hidden_layers,
    rms_norm_eps: 1e-6,
    rope_theta: 1000000,
    sliding_window: 32768,
    use_sliding_window: false,
    tie_word_embeddings: true,
    torch_dtype: 'bfloat16',
    use_cache: true,
    bos_token_id: Math.min(151643, shape.vocab_size - 1),
    eos_token_id: Math.min(151643, shape.vocab_size - 1),
  };
}

function tensorsOf(shape: Shape): Tensor[] {
  const { hidden_size: hidden, intermediate_size: inner } = shape;
  const keyValue = (hidden / shape.num_attention_heads) * shape.num_key_value_heads;
  const weight = (name: string, ...dims: number[]): Tensor => ({ name, shape: dims, fill: 'normal' });
  const norm = (name: string): Tensor => ({ name, shape: [hidden], fill: 'one' });
  const tensors = [weight('model.embed_tokens.weight', shape.vocab_size, hidden), norm('model.norm.weight')];
  for (let layer = 0; layer < shape.num_hidden_layers; layer++) {
    const at = `model.layers.${layer}`;
    tensors.push(
      norm(`${at}.input_layernorm.weight`),
      norm(`${at}.post_attention_layernorm.weight`),
      weight(`${at}.mlp.gate_proj.weight`, inner, hidden),
      weight(`${at}.mlp.up_proj.weight`, inner, hidden),
      weight(`${at}.mlp.down_proj.weight`, hidden, inner),
      weight(`${at}.self_attn.q_proj.weight`, hidden, hidden),
      weight(`${at}.self_attn.q_proj.bias`, hidden),
      weight(`${at}.self_attn.k_proj.weight`, keyValue, hidden),
      weight(`${at}.self_attn.k_proj.bias`, keyValue),
      weight(`${at}.self_attn.v_proj.weight`, keyValue, hidden),
      weight(`${at}.self_attn.v_proj.bias`, keyValue),
      weight(`${at}.self_attn.o_proj.weight`, hidden, hidden),
    );
  }
  return tensors;
}

const count = (tensor: Tensor): number => tensor.shape.reduce((product, size) => product * size, 1);

/** The length as a little-endian 64-bit number, then JSON padded with spaces so that the data starts at 8·n. */
function headerOf(tensors: Tensor[], seed: number): Uint8Array {
  const entries: Record<string, unknown> = { __metadata__: { format: 'pt', seed: String(seed) } };
  let offset = 0;
  for (const tensor of tensors) {
    const end = offset + 2 * count(tensor);
    entries[tensor.name] = { dtype: 'BF16', shape: tensor.shape, data_offsets: [offset, end] };
    offset = end;
  }
  const json = JSON.stringify(entries);
  const body = Buffer.from(json.padEnd(Math.ceil(json.length / 8) * 8, ' '));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(body.length));
  return Buffer.concat([length, body]);
}

/**
 * Fills with bf16 values of a normal distribution: 16 random bits pick one of 65,536 equally likely quantiles, which is
 * as fine as bf16 itself. xorshift32 gives two picks per turn; 494 million values take a few seconds.
 */
function normalFiller(seed: number): (values: Uint16Array) => void {
  const quantiles = new Uint16Array(65536);
  for (let i = 0; i < 65536; i++) quantiles[i] = toBf16(WEIGHT_STD * normalQuantile((i + 0.5) / 65536));
  let state = Math.imul(seed, 0x9e3779b9) | 1;
  return (values) => {
    for (let i = 0; i < values.length; i += 2) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      values[i] = quantiles[state & 0xffff]!;
      if (i + 1 < values.length) values[i + 1] = quantiles[state >>> 16]!;
    }
  };
}

/** Inverse of the standard normal distribution function, by bisection on a rational erfc (error below 2e-7). */
function normalQuantile(p: number): number {
  let low = -6;
  let high = 6;
  for (let i = 0; i < 40; i++) {
    const middle = (low + high) / 2;
    if (0.5 * erfc(-middle / Math.SQRT2) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Numerical Recipes, section 6.2 (Chebyshev fit). */
function erfc(x: number): number {
  const t = 1 / (1 + 0.5 * Math.abs(x));
  const terms = [
    0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196,
    1.00002368, -1.26551223,
  ];
  const exponent = terms.reduce((sum, term) => sum * t + term, 0);
  const value = t * Math.exp(-x * x + exponent);
  return x >= 0 ? value : 2 - value;
}

const floatCell = new Float32Array(1);
const bitsCell = new Uint32Array(floatCell.buffer);

/** Round to nearest, ties to even. */
function toBf16(value: number): number {
  floatCell[0] = value;
  const bits = bitsCell[0]!;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

function startsWith(path: string, expected: Uint8Array): boolean {
  const found = Buffer.alloc(expected.length);
  const file = openSync(path, 'r');
  try {
    return readSync(file, found) === found.length && found.equals(expected);
  } finally {
    closeSync(file);
  }
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { seed: { type: 'string', default: '1' }, tiny: { type: 'boolean', default: false } },
  });
  const name = values.tiny ? 'qwen2-tiny-shape' : 'qwen2.5-0.5b-shape';
  const cache = fileURLToPath(new URL(`../../.cache/${name}`, import.meta.url));
  const folder = makeModel(positionals[0] ?? cache, values.tiny ? tiny : qwen2_5_0_5b, Number(values.seed));
  process.stdout.write(`${folder}\n`);
}
