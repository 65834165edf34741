// In: the bytes or the open file of a safetensors file. Out: its checked header; and the bytes of a new file, in order.
// The byte layout only: which tensors a model or an adapter must have is for model/ and adapters/ to say. No pickles.
// Layout: u64 little-endian header length, JSON header, tensor data without holes (huggingface/safetensors).
import type { FileHandle } from 'node:fs/promises';
import { FactoryError } from '#factory/errors.ts';

/** Bits per element of every dtype that the format knows. */
// biome-ignore format: one line per width
const DTYPE_BITS = {
  F4: 4, F6_E2M3: 6, F6_E3M2: 6,
  BOOL: 8, U8: 8, I8: 8, F8_E5M2: 8, F8_E4M3: 8, F8_E8M0: 8, F8_E4M3FNUZ: 8, F8_E5M2FNUZ: 8,
  I16: 16, U16: 16, F16: 16, BF16: 16,
  I32: 32, U32: 32, F32: 32,
  C64: 64, F64: 64, I64: 64, U64: 64,
} as const;
export type SafetensorsDtype = keyof typeof DTYPE_BITS;

export interface SafetensorsEntry {
  dtype: SafetensorsDtype;
  shape: number[];
  /** Byte range in the file (not in the data part). */
  start: number;
  end: number;
}

export interface SafetensorsHeader {
  tensors: Map<string, SafetensorsEntry>;
  metadata: Record<string, string>;
}

/** A tensor to write. `data` holds 16-bit patterns for F16 and BF16. */
export interface SafetensorsTensor {
  name: string;
  dtype: 'F32' | 'I32' | 'F16' | 'BF16';
  shape: number[];
  data: Float32Array | Int32Array | Uint16Array;
}

/** Who reads: decides the error code and what the reader is told to do. */
export interface SafetensorsReader {
  code: 'MODEL_BAD_FILE' | 'ADAPTERS_BAD_FILE' | 'STORE_CHECKPOINT_DAMAGED';
  remedy: string;
}

/** The format's own limit on the JSON header. */
const HEADER_LIMIT = 100_000_000;
/** One positional read takes at most this much: the system call itself stops short of 2 GiB. */
const READ_BYTES = 1 << 28;

/** Reads and checks the header of an open file: lengths, JSON, dtypes, shapes, and offsets that cover the data exactly. */
export async function readSafetensorsHeader(
  file: FileHandle,
  path: string,
  reader: SafetensorsReader,
): Promise<SafetensorsHeader> {
  const { size } = await file.stat();
  const opening = new Uint8Array(Math.min(size, 64));
  await readRange(file, opening, 0, path, reader);
  const found = disguise(opening);
  if (found) throw badFile(reader, path, 'a safetensors file', found);
  if (size < 8) throw badFile(reader, path, 'at least 8 bytes', `${size}`);
  const length = Number(new DataView(opening.buffer).getBigUint64(0, true));
  if (length > HEADER_LIMIT || length > size - 8) {
    throw badFile(reader, path, `a header within the file's ${size} bytes`, `a header length of ${length}`);
  }
  const text = new Uint8Array(length);
  await readRange(file, text, 8, path, reader);
  return parseSafetensorsHeader(text, size, path, reader);
}

/** Checks the JSON header of a file of `fileBytes` bytes in all. */
export function parseSafetensorsHeader(
  text: Uint8Array,
  fileBytes: number,
  path: string,
  reader: SafetensorsReader,
): SafetensorsHeader {
  const header = parseJson(text, path, reader);
  const base = 8 + text.byteLength;
  const tensors = new Map<string, SafetensorsEntry>();
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') metadata = readMetadata(value, path, reader);
    else tensors.set(name, readEntry(name, value, base, path, reader));
  }
  let end = base;
  for (const [name, entry] of [...tensors].sort(([, a], [, b]) => a.start - b.start || a.end - b.end)) {
    if (entry.start !== end) {
      throw badFile(
        reader,
        path,
        `tensor ${name} to begin at byte ${end}, where the one before it ends`,
        `byte ${entry.start}`,
      );
    }
    end = entry.end;
  }
  if (end !== fileBytes) {
    const what = end > fileBytes ? 'the file is cut short' : 'bytes that belong to no tensor';
    throw badFile(reader, path, `${end} bytes, as its header says`, `${fileBytes} (${what})`);
  }
  return { tensors, metadata };
}

/** Fills `into` from byte `position`. */
export async function readRange(
  file: FileHandle,
  into: Uint8Array,
  position: number,
  path: string,
  reader: SafetensorsReader,
): Promise<void> {
  for (let at = 0; at < into.byteLength; ) {
    const { bytesRead } = await file.read(
      into,
      at,
      Math.min(READ_BYTES, into.byteLength - at),
      position + at,
    );
    if (bytesRead === 0) {
      throw badFile(
        reader,
        path,
        `${into.byteLength} bytes at ${position}`,
        `the end of the file after ${at}`,
      );
    }
    at += bytesRead;
  }
}

/** A tensor whose bytes are made while they are written, in pieces whose memory may be used again after each. */
export interface LazyTensor extends Omit<SafetensorsTensor, 'data'> {
  pieces(): Iterable<ArrayBufferView>;
}

/**
 * The pieces of a file in order, without copying tensor data; hand them to `writeAtomic`. The same tensors and metadata
 * give the same bytes whatever their order: like the format's own writer, wide dtypes first, then by name.
 */
export function encodeSafetensors(
  tensors: Iterable<SafetensorsTensor>,
  metadata: Record<string, string> = {},
): ArrayBufferView[] {
  const sorted = [...tensors].sort(byDtypeAndName);
  return [encodeHeader(sorted, metadata), ...sorted.map((tensor) => tensor.data)];
}

/** The same file, of which one piece is in memory at a time. */
export function encodeLazily(
  tensors: Iterable<LazyTensor>,
  metadata: Record<string, string> = {},
): Iterable<ArrayBufferView> {
  const sorted = [...tensors].sort(byDtypeAndName);
  return {
    *[Symbol.iterator]() {
      yield encodeHeader(sorted, metadata);
      for (const tensor of sorted) yield* tensor.pieces();
    },
  };
}

type Described = Pick<SafetensorsTensor, 'name' | 'dtype' | 'shape'>;

function byDtypeAndName(a: Described, b: Described): number {
  return DTYPE_BITS[b.dtype] - DTYPE_BITS[a.dtype] || (a.name < b.name ? -1 : 1);
}

function encodeHeader(sorted: readonly Described[], metadata: Record<string, string>): Buffer {
  const keys = Object.keys(metadata).sort();
  const parts = keys.length > 0 ? [`"__metadata__":${JSON.stringify(metadata, keys)}`] : [];
  let offset = 0;
  for (const { name, dtype, shape } of sorted) {
    const end = offset + (shape.reduce((n, d) => n * d, 1) * DTYPE_BITS[dtype]) / 8;
    parts.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [offset, end] })}`);
    offset = end;
  }
  // Spaces pad the header so that the data begins on an 8-byte boundary.
  const text = Buffer.from(`{${parts.join(',')}}`, 'utf8');
  const start = Buffer.alloc(8 + Math.ceil(text.length / 8) * 8, 0x20);
  start.writeBigUInt64LE(BigInt(start.length - 8), 0);
  text.copy(start, 8);
  return start;
}

function readEntry(
  name: string,
  value: unknown,
  base: number,
  path: string,
  reader: SafetensorsReader,
): SafetensorsEntry {
  const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>;
  if (typeof dtype !== 'string' || !Object.hasOwn(DTYPE_BITS, dtype)) {
    throw badFile(reader, path, `a known dtype for tensor ${name}`, brief(dtype));
  }
  if (!isSizes(shape))
    throw badFile(reader, path, `a list of sizes as shape of tensor ${name}`, brief(shape));
  if (!isSizes(offsets) || offsets.length !== 2 || offsets[0] > offsets[1]) {
    throw badFile(reader, path, `two rising byte offsets for tensor ${name}`, brief(offsets));
  }
  const bytes = (shape.reduce((total, size) => total * size, 1) * DTYPE_BITS[dtype as SafetensorsDtype]) / 8;
  if (offsets[1] - offsets[0] !== bytes) {
    throw badFile(
      reader,
      path,
      `${bytes} bytes for tensor ${name} (${dtype} [${shape}])`,
      `${offsets[1] - offsets[0]}`,
    );
  }
  return { dtype: dtype as SafetensorsDtype, shape, start: base + offsets[0], end: base + offsets[1] };
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.length <= 16 && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}

function readMetadata(value: unknown, path: string, reader: SafetensorsReader): Record<string, string> {
  if (!isObject(value) || !Object.values(value).every((text) => typeof text === 'string')) {
    throw badFile(reader, path, 'text values in __metadata__', brief(value));
  }
  return value as Record<string, string>;
}

function parseJson(text: Uint8Array, path: string, reader: SafetensorsReader): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(text));
  } catch (error) {
    throw badFile(reader, path, 'a JSON header in UTF-8', (error as Error).message.slice(0, 120));
  }
  if (!isObject(header)) throw badFile(reader, path, 'a JSON object as header', brief(header));
  return header;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/** What else a file is, judged by its first bytes, or null. */
function disguise(opening: Uint8Array): string | null {
  const text = new TextDecoder('latin1').decode(opening);
  if (text.startsWith('version https://git-lfs'))
    return 'a Git LFS pointer; the content was never downloaded';
  if (/^\s*<(!doctype|html)/i.test(text)) return 'an HTML page';
  if (text.startsWith('PK\u0003\u0004') || text.startsWith('\u0080\u0002')) return 'a PyTorch pickle';
  if (text.startsWith('GGUF')) return 'a GGUF file';
  return null;
}

function brief(value: unknown): string {
  return (JSON.stringify(value) ?? 'nothing').slice(0, 80);
}

function badFile(reader: SafetensorsReader, path: string, expected: string, found: string): FactoryError {
  return new FactoryError({
    code: reader.code,
    message: `${path}: expected ${expected}, found ${found}`,
    remedy: reader.remedy,
    details: { path },
  });
}
