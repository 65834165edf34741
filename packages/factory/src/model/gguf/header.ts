// In: an open GGUF file. Out: its metadata and where its tensors are, everything checked against the file's size.
// Versions 2 and 3, little-endian (ggml's docs/gguf.md). No tensor is read here.
import type { FileHandle } from 'node:fs/promises';
import { FactoryError } from '#factory/errors.ts';
import type { GgufMetadata, GgufValue } from '#factory/records/gguf.ts';
import { BLOCK_TYPES, type BlockType } from './block-types.ts';

export interface GgufTensor {
  /** Sizes in rows-first order, as everywhere but in the file. */
  shape: number[];
  type: BlockType;
  /** Byte range in the file. */
  start: number;
  bytes: number;
}

export interface GgufHeader {
  metadata: GgufMetadata;
  tensors: Map<string, GgufTensor>;
}

/** Large vocabularies take some megabytes; what is above this is no vocabulary. */
const HEADER_LIMIT = 2 ** 29;

export async function readGgufHeader(file: FileHandle, path: string): Promise<GgufHeader> {
  const { size } = await file.stat();
  for (let length = Math.min(size, 2 ** 22); ; length = Math.min(size, length * 4)) {
    const bytes = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      const { bytesRead } = await file.read(bytes, filled, length - filled, filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    const header = parseGgufHeader(bytes.subarray(0, filled), size, path);
    if (header) return header;
    if (length >= size || length >= HEADER_LIMIT)
      throw badGguf(path, 'a whole header', `the end of the file's ${size} bytes within it`);
  }
}

/** The header of a file of `fileBytes` bytes, or null where `bytes` end within it. */
export function parseGgufHeader(bytes: Uint8Array, fileBytes: number, path: string): GgufHeader | null {
  const reader = new Reader(bytes, path);
  try {
    return parse(reader, fileBytes, path);
  } catch (error) {
    if (error instanceof RangeError && reader.isShort) return null;
    throw error;
  }
}

function parse(reader: Reader, fileBytes: number, path: string): GgufHeader {
  const magic = reader.u32();
  if (magic !== 0x46554747) throw badGguf(path, 'a GGUF file', `the first bytes ${magic.toString(16)}`);
  const version = reader.u32();
  if (version !== 2 && version !== 3) throw badGguf(path, 'GGUF version 2 or 3', `version ${version}`);
  const tensorCount = reader.count('tensors');
  const keyCount = reader.count('metadata keys');
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < keyCount; i++) metadata.set(reader.text(), reader.value(reader.u32(), 0));
  const places = Array.from({ length: tensorCount }, () => readPlace(reader, path));
  const alignment = metadata.get('general.alignment') ?? 32;
  if (typeof alignment !== 'number' || !Number.isInteger(alignment) || alignment < 1 || alignment > 2 ** 20)
    throw badGguf(path, 'general.alignment as a small whole number', String(alignment));
  const base = Math.ceil(reader.at / alignment) * alignment;
  const tensors = new Map<string, GgufTensor>();
  for (const { name, shape, type, offset } of places) {
    const count = shape.reduce((n, d) => n * d, 1);
    const width = shape.at(-1) ?? 1;
    if (width % type.size !== 0)
      throw badGguf(
        path,
        `rows of tensor ${name} in whole ${type.name} blocks of ${type.size}`,
        `rows of ${width}`,
      );
    const bytes = (count / type.size) * type.bytes;
    const start = base + offset;
    if (!Number.isSafeInteger(bytes) || start + bytes > fileBytes)
      throw badGguf(
        path,
        `${bytes} bytes at ${start} for tensor ${name}`,
        `a file of ${fileBytes} bytes, which is cut short or damaged`,
      );
    if (tensors.has(name)) throw badGguf(path, 'each tensor once', `two tensors ${name}`);
    tensors.set(name, { shape, type, start, bytes });
  }
  return { metadata, tensors };
}

function readPlace(reader: Reader, path: string) {
  const name = reader.text();
  const rank = reader.u32();
  if (rank > 4) throw badGguf(path, `at most 4 sizes for tensor ${name}`, `${rank}`);
  const shape = Array.from({ length: rank }, () => reader.u64()).reverse();
  const id = reader.u32();
  const type = BLOCK_TYPES.get(id);
  if (!type)
    throw new FactoryError({
      code: 'MODEL_WRONG_DTYPE',
      message: `${path}: tensor ${name}: expected one of ${[...BLOCK_TYPES.values()].map((t) => t.name).join(', ')}, found ggml type ${id}`,
      remedy: 'Use a GGUF file of the same model in one of these types, such as Q4_K_M or Q8_0.',
      details: { path, tensor: name, type: id },
    });
  return { name, shape, type, offset: reader.u64() };
}

const text = new TextDecoder('utf-8');

class Reader {
  readonly #view: DataView;
  readonly #bytes: Uint8Array;
  readonly #path: string;
  at = 0;
  /** Whether the bytes ended before a value did. */
  isShort = false;

  constructor(bytes: Uint8Array, path: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#path = path;
  }

  #take(bytes: number): number {
    const at = this.at;
    if (at + bytes > this.#bytes.length) this.isShort = true;
    this.at = at + bytes;
    return at;
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  u64(): number {
    const value = this.#view.getBigUint64(this.#take(8), true);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw badGguf(this.#path, 'a size', `${value}`);
    return Number(value);
  }

  /** A count of things that each take some bytes of the header. */
  count(what: string): number {
    const count = this.u64();
    if (count > HEADER_LIMIT / 8) throw badGguf(this.#path, `a possible number of ${what}`, `${count}`);
    return count;
  }

  text(): string {
    const length = this.u64();
    if (length > HEADER_LIMIT) throw badGguf(this.#path, 'a text', `a length of ${length} bytes`);
    const at = this.#take(length);
    // Throws the RangeError that says so.
    if (this.isShort) this.#view.getUint8(this.#bytes.length);
    return text.decode(this.#bytes.subarray(at, at + length));
  }

  value(type: number, depth: number): GgufValue {
    switch (type) {
      case 0:
        return this.#view.getUint8(this.#take(1));
      case 1:
        return this.#view.getInt8(this.#take(1));
      case 2:
        return this.#view.getUint16(this.#take(2), true);
      case 3:
        return this.#view.getInt16(this.#take(2), true);
      case 4:
        return this.u32();
      case 5:
        return this.#view.getInt32(this.#take(4), true);
      case 6:
        return this.#view.getFloat32(this.#take(4), true);
      case 7:
        return this.#view.getUint8(this.#take(1)) !== 0;
      case 8:
        return this.text();
      case 9:
        return this.#array(depth);
      case 10:
        return this.#view.getBigUint64(this.#take(8), true);
      case 11:
        return this.#view.getBigInt64(this.#take(8), true);
      case 12:
        return this.#view.getFloat64(this.#take(8), true);
      default:
        throw badGguf(this.#path, 'a known type of metadata', `type ${type}`);
    }
  }

  #array(depth: number): GgufValue {
    if (depth > 3) throw badGguf(this.#path, 'lists at most 4 deep', 'deeper ones');
    const type = this.u32();
    const length = this.count('list items');
    const values: GgufValue[] = [];
    for (let i = 0; i < length; i++) values.push(this.value(type, depth + 1));
    return values;
  }
}

export function badGguf(path: string, expected: string, found: string): FactoryError {
  return new FactoryError({
    code: 'MODEL_BAD_FILE',
    message: `${path}: expected ${expected}, found ${found}`,
    remedy: 'Get this file again from where the model came from, and check that the download is complete.',
    details: { path },
  });
}
