// In: metadata fields and tensors. Out: the pieces of a GGUF file in order, one tensor in memory at a time; hand them to
// `writeAtomic`. Version 3, little-endian, in the order that is given (ggml's docs/gguf.md). What a model's file must
// hold is for export/ to say.
import { invariant } from '#factory/errors.ts';
import {
  GGML_TYPES,
  type GgmlType,
  type GgufField,
  type GgufFields,
  type GgufScalarType,
} from '#factory/records/gguf.ts';

export interface GgufTensorToWrite {
  name: string;
  /** Rows first, as everywhere but in the file. */
  shape: readonly number[];
  type: GgmlType;
  /** Made while it is written; the pieces together are exactly the tensor's bytes. */
  pieces(): Iterable<ArrayBufferView> | AsyncIterable<ArrayBufferView>;
}

type Described = Omit<GgufTensorToWrite, 'pieces'>;

const MAGIC = 0x46554747;
const VERSION = 3;
/** Tensors begin at multiples of this, which readers assume where `general.alignment` is not set. */
const ALIGNMENT = 32;
const NUMBER_OF: Readonly<Record<GgufScalarType | 'array', number>> = {
  uint8: 0,
  int8: 1,
  uint16: 2,
  int16: 3,
  uint32: 4,
  int32: 5,
  float32: 6,
  bool: 7,
  string: 8,
  array: 9,
  uint64: 10,
  int64: 11,
  float64: 12,
};

const SIZE_OF: Readonly<Record<Exclude<GgufScalarType, 'string'>, number>> = {
  uint8: 1,
  int8: 1,
  bool: 1,
  uint16: 2,
  int16: 2,
  uint32: 4,
  int32: 4,
  float32: 4,
  uint64: 8,
  int64: 8,
  float64: 8,
};

export async function* encodeGguf(
  fields: GgufFields,
  tensors: readonly GgufTensorToWrite[],
): AsyncGenerator<ArrayBufferView> {
  yield encodeGgufHeader(fields, tensors);
  for (const tensor of tensors) {
    const bytes = ggufTensorBytes(tensor);
    let written = 0;
    for await (const piece of tensor.pieces()) {
      written += piece.byteLength;
      yield piece;
    }
    invariant(written === bytes, `tensor ${tensor.name}: ${written} bytes where ${bytes} belong`);
    yield new Uint8Array(padded(bytes) - bytes);
  }
}

/** What the whole file takes. */
export function ggufFileBytes(fields: GgufFields, tensors: readonly Described[]): number {
  return tensors.reduce(
    (n, tensor) => n + padded(ggufTensorBytes(tensor)),
    encodeGgufHeader(fields, tensors).length,
  );
}

/** Everything before the first tensor, padded. */
export function encodeGgufHeader(fields: GgufFields, tensors: readonly Described[]): Uint8Array {
  const out = new Bytes();
  out.number('uint32', MAGIC);
  out.number('uint32', VERSION);
  out.number('uint64', tensors.length);
  out.number('uint64', fields.size);
  for (const [key, field] of fields) {
    out.text(key);
    out.number('uint32', NUMBER_OF[field.type]);
    putField(out, field);
  }
  let offset = 0;
  const seen = new Set<string>();
  for (const tensor of tensors) {
    const { name, shape, type } = tensor;
    invariant(!seen.has(name), `two tensors named ${name}`);
    seen.add(name);
    out.text(name);
    out.number('uint32', shape.length);
    for (const size of shape.toReversed()) out.number('uint64', size);
    out.number('uint32', GGML_TYPES[type].id);
    out.number('uint64', offset);
    offset += padded(ggufTensorBytes(tensor));
  }
  return out.padded();
}

export function ggufTensorBytes({ name, shape, type }: Described): number {
  const { size, bytes } = GGML_TYPES[type];
  const width = shape.at(-1) ?? 1;
  invariant(width % size === 0, `tensor ${name}: rows of ${width} are no whole blocks of ${size}`);
  return (shape.reduce((n, d) => n * d, 1) / size) * bytes;
}

const padded = (bytes: number) => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

function putField(out: Bytes, field: GgufField): void {
  if (field.type !== 'array') {
    putScalar(out, field.type, field.value);
    return;
  }
  out.number('uint32', NUMBER_OF[field.of]);
  out.number('uint64', field.value.length);
  for (let i = 0; i < field.value.length; i++) putScalar(out, field.of, field.value[i]);
}

function putScalar(out: Bytes, type: GgufScalarType, value: number | bigint | boolean | string): void {
  if (type === 'string') out.text(String(value));
  else out.number(type, typeof value === 'boolean' ? Number(value) : (value as number | bigint));
}

/** Bytes that grow by doubling: vocabularies have some hundred thousand short texts. */
class Bytes {
  #bytes = Buffer.alloc(1 << 16);
  #length = 0;

  #room(bytes: number): number {
    const at = this.#length;
    this.#length += bytes;
    if (this.#length > this.#bytes.length) {
      const larger = Buffer.alloc(2 ** Math.ceil(Math.log2(this.#length)));
      this.#bytes.copy(larger, 0, 0, at);
      this.#bytes = larger;
    }
    return at;
  }

  number(type: Exclude<GgufScalarType, 'string'>, value: number | bigint): void {
    const number = Number(value);
    // Making room may move the bytes.
    const at = this.#room(SIZE_OF[type]);
    const bytes = this.#bytes;
    if (type === 'bool' || type === 'uint8') bytes.writeUInt8(number, at);
    else if (type === 'int8') bytes.writeInt8(number, at);
    else if (type === 'uint16') bytes.writeUInt16LE(number, at);
    else if (type === 'int16') bytes.writeInt16LE(number, at);
    else if (type === 'uint32') bytes.writeUInt32LE(number, at);
    else if (type === 'int32') bytes.writeInt32LE(number, at);
    else if (type === 'float32') bytes.writeFloatLE(number, at);
    else if (type === 'uint64') bytes.writeBigUInt64LE(BigInt(value), at);
    else if (type === 'int64') bytes.writeBigInt64LE(BigInt(value), at);
    else bytes.writeDoubleLE(number, at);
  }

  text(value: string): void {
    const bytes = Buffer.byteLength(value, 'utf8');
    this.number('uint64', bytes);
    const at = this.#room(bytes);
    this.#bytes.write(value, at, 'utf8');
  }

  padded(): Uint8Array {
    const bytes = padded(this.#length);
    this.#room(bytes - this.#length);
    return this.#bytes.subarray(0, bytes);
  }
}
