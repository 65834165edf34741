// In: the path of a GGUF file. Out: its config, metadata and weights under Hugging Face's names, in Hugging Face's order
// of rows. Packed tensors of layers stay packed; others are unpacked when they are read.
import { type FileHandle, open } from 'node:fs/promises';
import { endianness } from 'node:os';
import { FactoryError, invariant } from '#factory/errors.ts';
import type { GgufMetadata } from '#factory/records/gguf.ts';
import type { ModelConfig, PackedTensor, WeightSource, WeightTensor } from '#factory/records/model-config.ts';
import { errnoOf } from '#factory/store/disk-error.ts';
import { readError } from '#factory/store/read-error.ts';
import { checkTensors } from '../check-tensors.ts';
import { parseModelConfig } from '../config.ts';
import { f32ToF16Checked } from '../half.ts';
import { releaseArray } from '../release-array.ts';
import type { SafetensorsSource } from '../safetensors.ts';
import { ggufConfig, llama3Scaling } from './gguf-config.ts';
import { ggufRowOrder } from './gguf-names.ts';
import { badGguf, type GgufHeader, type GgufTensor, readGgufHeader } from './header.ts';

export interface OpenGguf {
  config: ModelConfig;
  metadata: GgufMetadata;
  weights: WeightSource;
  notes: string[];
}

const ROPE_FACTORS = 'rope_freqs.weight';

export async function openGguf(path: string): Promise<OpenGguf> {
  invariant(endianness() === 'LE', 'GGUF files are read in place and need a little-endian machine');
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw readError(error, path, 'MODEL_BAD_FILE');
    throw new FactoryError({
      code: 'MODEL_NOT_FOUND',
      message: `${path}: expected a GGUF file, found no such file`,
      remedy: 'Check the path for typing errors; a GGUF file on the hub must be downloaded first.',
      details: { path },
    });
  }
  try {
    const header = await readGgufHeader(file, path);
    const raw = ggufConfig(header, path);
    const factors = header.tensors.get(ROPE_FACTORS);
    if (factors) raw.rope_scaling = await readRopeFactors(file, factors, raw.rope_theta as number, path);
    const config = { ...parseModelConfig(raw, path), ...packedIn(header) };
    const { weights, notes } = checkTensors(sourceOf(file, header, config, path), config);
    return { config, metadata: header.metadata, weights, notes };
  } catch (error) {
    await file.close();
    throw readError(error, path, 'MODEL_BAD_FILE');
  }
}

/** What stays packed: matrices of layers. */
function packedIn({ tensors }: GgufHeader): { packedBytes?: number } {
  const packed = [...tensors].filter(
    ([name, { type, shape }]) => name.startsWith('blk.') && !type.plain && shape.length === 2,
  );
  return packed.length > 0 ? { packedBytes: packed.reduce((n, [, { bytes }]) => n + bytes, 0) } : {};
}

async function readRopeFactors(file: FileHandle, tensor: GgufTensor, theta: number, path: string) {
  const bytes = await readBytes(file, tensor, path);
  const found = tensor.type.plain === 'F32' ? llama3Scaling(new Float32Array(bytes.buffer), theta) : null;
  if (found) return found;
  throw badGguf(
    path,
    `${ROPE_FACTORS} with the factors of Llama 3's rope scaling`,
    'factors that no known scaling gives',
  );
}

/** Parts of a layer: GGUF's name → Hugging Face's. */
const IN_LAYER: Readonly<Record<string, string>> = {
  attn_norm: 'input_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_output: 'self_attn.o_proj',
  attn_q_norm: 'self_attn.q_norm',
  attn_k_norm: 'self_attn.k_norm',
  ffn_norm: 'post_attention_layernorm',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
};

function ourName(name: string): string {
  if (name === 'token_embd.weight') return 'model.embed_tokens.weight';
  if (name === 'output_norm.weight') return 'model.norm.weight';
  if (name === 'output.weight') return 'lm_head.weight';
  const [, layer, part, kind] = /^blk\.(\d+)\.(\w+)\.(weight|bias)$/.exec(name) ?? [];
  const ours = part && Object.hasOwn(IN_LAYER, part) ? IN_LAYER[part] : undefined;
  return ours ? `model.layers.${layer}.${ours}.${kind}` : name;
}

function sourceOf(
  file: FileHandle,
  header: GgufHeader,
  config: ModelConfig,
  path: string,
): SafetensorsSource {
  const stored = new Map<string, GgufTensor>();
  for (const [name, tensor] of header.tensors) if (name !== ROPE_FACTORS) stored.set(ourName(name), tensor);
  const find = (name: string): GgufTensor => {
    const tensor = stored.get(name);
    invariant(tensor, `no tensor ${name} in ${path}`);
    return tensor;
  };
  const load = async (name: string) => {
    const tensor = find(name);
    const bytes = await readBytes(file, tensor, path);
    checkScales(tensor, bytes, name, path);
    return { ...tensor, bytes, placeOf: ggufRowOrder(name, config) };
  };
  let isOpen = true;
  return {
    tensors: new Map(
      [...stored].map(([name, { shape, type }]) => [name, { dtype: type.plain ?? 'F16', shape, file: path }]),
    ),
    otherDtypes: new Map(),
    async read(name) {
      const loaded = await load(name);
      const { shape, type, bytes, placeOf } = loaded;
      if (type.plain) return plainTensor(name, shape, type.plain, bytes, placeOf);
      const tensor = unpacked(name, packedTensor(loaded));
      releaseArray(bytes);
      return tensor;
    },
    async readPacked(name) {
      return find(name).type.plain ? null : packedTensor(await load(name));
    },
    async close() {
      if (isOpen) await file.close();
      isOpen = false;
    },
  };
}

type Loaded = Omit<GgufTensor, 'bytes'> & {
  bytes: Uint8Array<ArrayBuffer>;
  placeOf: ((row: number) => number) | null;
};

function packedTensor({ shape, type, bytes, placeOf }: Loaded): PackedTensor {
  const width = shape.at(-1) as number;
  const rows = shape.length > 1 ? shape[0] : 1;
  const blocks = width / type.size;
  return {
    shape,
    bytes: bytes.byteLength,
    expand(into, from = 0, to = rows) {
      if (!placeOf) return type.expand(bytes, from * blocks * type.bytes, (to - from) * blocks, into, 0);
      invariant(from === 0 && to === rows, 'rows in another order are unpacked all at once');
      for (let row = 0; row < rows; row++)
        type.expand(bytes, row * blocks * type.bytes, blocks, into, placeOf(row) * width);
    },
  };
}

/** As float16, some rows at a time; as float32 where float16 is too small. */
function unpacked(name: string, tensor: PackedTensor): WeightTensor {
  const { shape } = tensor;
  const width = shape.at(-1) as number;
  const rows = shape.length > 1 ? shape[0] : 1;
  const data = new Uint16Array(rows * width);
  const isWhole = name.includes('_proj.');
  const step = isWhole ? rows : Math.max(1, Math.floor(2 ** 20 / width));
  const piece = new Float32Array(step * width);
  for (let row = 0; row < rows; row += step) {
    const end = Math.min(rows, row + step);
    const values = piece.subarray(0, (end - row) * width);
    tensor.expand(values, row, end);
    const half = f32ToF16Checked(values, data.subarray(row * width, end * width));
    if (half.overflowed > 0) {
      const all = new Float32Array(rows * width);
      tensor.expand(all);
      return { name, dtype: 'F32', shape, data: all };
    }
  }
  return { name, dtype: 'F16', shape, data };
}

function plainTensor(
  name: string,
  shape: number[],
  dtype: WeightTensor['dtype'],
  bytes: Uint8Array<ArrayBuffer>,
  placeOf: ((row: number) => number) | null,
): WeightTensor {
  const stored = dtype === 'F32' ? new Float32Array(bytes.buffer) : new Uint16Array(bytes.buffer);
  if (!placeOf) return { name, dtype, shape, data: stored };
  const data = stored.slice();
  const width = shape.length > 1 ? (shape.at(-1) as number) : 1;
  for (let row = 0; row < shape[0]; row++)
    data.set(stored.subarray(row * width, (row + 1) * width), placeOf(row) * width);
  releaseArray(bytes);
  return { name, dtype, shape, data };
}

async function readBytes(
  file: FileHandle,
  tensor: GgufTensor,
  path: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(tensor.bytes);
  for (let at = 0; at < bytes.length; ) {
    // One system call stops short of 2 GiB.
    const { bytesRead } = await file.read(bytes, at, Math.min(2 ** 28, bytes.length - at), tensor.start + at);
    if (bytesRead === 0)
      throw badGguf(path, `${bytes.length} bytes at ${tensor.start}`, `the end of the file after ${at}`);
    at += bytesRead;
  }
  return bytes;
}

/** Packed values are finite where their scales are. */
function checkScales({ type }: GgufTensor, bytes: Uint8Array, name: string, path: string): void {
  if (type.plain) return;
  for (const place of type.scales)
    for (let at = place; at < bytes.length; at += type.bytes)
      if ((bytes[at + 1] & 0x7c) === 0x7c)
        throw badGguf(
          path,
          `finite scales in tensor ${name}`,
          `infinity or NaN in block ${Math.floor(at / type.bytes)}`,
        );
}
