// In: a folder and the config.json of a shape. Out: that folder as a Hugging Face checkpoint with random weights in fp16 or
// fp32, in shards, and a small tokenizer. One block of random values is written over and over, so that a 7B shape takes as long as
// its bytes take to write; only sizes mean something here.
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseModelConfig } from '../../packages/factory/src/model/config.ts';
import { expectedTensors } from '../../packages/factory/src/model/expected-tensors.ts';

/** Values of the block; odd, so that rows of a matrix do not repeat. */
const BLOCK_VALUES = (1 << 22) - 1;
const DEVIATION = 0.02;
/** Shards of public checkpoints have about this size. */
const SHARD_BYTES = 4e9;

const DTYPE = {
  fp16: { name: 'F16', config: 'float16', ArrayType: Float16Array },
  fp32: { name: 'F32', config: 'float32', ArrayType: Float32Array },
} as const;

export type RawConfig = Readonly<Record<string, unknown>>;
type Shapes = ReadonlyMap<string, readonly number[]>;

/** Writes the checkpoint and returns its folder. A complete one of the same config is left as it is. */
export function makeRandomModel(folder: string, config: RawConfig, stored: 'fp16' | 'fp32' = 'fp16'): string {
  const target = resolve(folder);
  mkdirSync(target, { recursive: true });
  const done = join(target, 'config.json');
  const text = `${JSON.stringify({ ...config, torch_dtype: DTYPE[stored].config }, null, 2)}\n`;
  // The config comes last, so that a folder that has it is whole.
  if (existsSync(done) && readFileSync(done, 'utf8') === text) return target;
  writeTokenizer(target);
  const shards = shardsOf(expectedTensors(parseModelConfig(config, 'config.json')));
  const block = randomBlock();
  const { ArrayType } = DTYPE[stored];
  const values = { block: new ArrayType(block), ones: new ArrayType(1 << 16).fill(1) };
  const owner: Record<string, string> = {};
  for (const [i, shapes] of shards.entries()) {
    const file = shards.length === 1 ? 'model.safetensors' : `model-${i + 1}-of-${shards.length}.safetensors`;
    for (const name of shapes.keys()) owner[name] = file;
    writeShard(join(target, file), shapes, stored, values);
  }
  if (shards.length > 1)
    writeFileSync(join(target, 'model.safetensors.index.json'), JSON.stringify({ weight_map: owner }));
  writeFileSync(done, text);
  return target;
}

const count = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

function shardsOf(shapes: Shapes): Map<string, readonly number[]>[] {
  const shards: Map<string, readonly number[]>[] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const [name, shape] of shapes) {
    if (bytes + 2 * count(shape) > SHARD_BYTES) {
      shards.push(new Map());
      bytes = 0;
    }
    shards.at(-1)?.set(name, shape);
    bytes += 2 * count(shape);
  }
  return shards;
}

type Values = Record<'block' | 'ones', Float16Array | Float32Array>;

function writeShard(path: string, shapes: Shapes, stored: 'fp16' | 'fp32', values: Values): void {
  const file = openSync(path, 'w');
  try {
    writeAll(file, headerOf(shapes, stored));
    for (const [name, shape] of shapes) {
      const source = /norm\.weight$/.test(name) ? values.ones : values.block;
      for (let left = count(shape); left > 0; left -= source.length)
        writeAll(
          file,
          new Uint8Array(source.buffer, 0, source.BYTES_PER_ELEMENT * Math.min(left, source.length)),
        );
    }
  } finally {
    closeSync(file);
  }
}

function headerOf(shapes: Shapes, stored: 'fp16' | 'fp32'): Uint8Array {
  const { name: dtype, ArrayType } = DTYPE[stored];
  const entries: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  let offset = 0;
  for (const [name, shape] of shapes) {
    const end = offset + ArrayType.BYTES_PER_ELEMENT * count(shape);
    entries[name] = { dtype, shape, data_offsets: [offset, end] };
    offset = end;
  }
  const json = JSON.stringify(entries);
  const body = Buffer.from(json.padEnd(Math.ceil(json.length / 8) * 8, ' '));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(body.length));
  return Buffer.concat([length, body]);
}

/** About a normal distribution: the sum of twelve uniform values. */
function randomBlock(): Float32Array {
  const block = new Float32Array(BLOCK_VALUES);
  let state = 0x9e3779b9 | 0;
  for (let i = 0; i < block.length; i++) {
    let sum = -6 * 0xffff;
    for (let j = 0; j < 6; j++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      sum += (state & 0xffff) + (state >>> 16);
    }
    block[i] = (DEVIATION * sum) / 0xffff;
  }
  return block;
}

/** A tokenizer of one id per printable ASCII character. */
function writeTokenizer(folder: string): void {
  const special = ['<unk>', '<s>', '</s>'];
  const characters = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i));
  const vocab = Object.fromEntries([...special, ...characters].map((token, id) => [token, id]));
  const added = special.map((content, id) => ({
    id,
    content,
    special: true,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
  }));
  const tokenizer = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added,
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: { type: 'Fuse' },
    model: { type: 'BPE', vocab, merges: [], unk_token: '<unk>', fuse_unk: false, byte_fallback: false },
  };
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer));
  const roles = { bos_token: '<s>', eos_token: '</s>', unk_token: '<unk>', pad_token: '</s>' };
  writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify(roles));
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
}
