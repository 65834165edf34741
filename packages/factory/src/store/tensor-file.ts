// In: named F32 and I32 tensors (optimiser moments, counters). Out: their bytes in the safetensors layout, and back.
// It holds no 16-bit types and no sharding: model weights have their own reader. Layout: u64 header length, JSON, data.
import { FactoryError, invariant } from '#factory/errors.ts';

export interface StateTensor {
  dtype: 'F32' | 'I32';
  shape: number[];
  data: Float32Array | Int32Array;
}

const HEADER_LIMIT = 100_000_000;

/** The pieces of the file in order, without copying tensor data. Hand them to `writeAtomic` or `writeCheckpoint`. */
export function encodeTensors(
  tensors: ReadonlyMap<string, StateTensor>,
  metadata: Record<string, string> = {},
): ArrayBufferView[] {
  const header: Record<string, unknown> = { __metadata__: metadata };
  const data: ArrayBufferView[] = [];
  let offset = 0;
  for (const [name, tensor] of [...tensors].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const isFloat = tensor.data instanceof Float32Array;
    const fits = isFloat === (tensor.dtype === 'F32') && tensor.data.length === product(tensor.shape);
    invariant(
      fits && name !== '__metadata__',
      `tensor ${name} is not ${tensor.dtype} of shape [${tensor.shape}]`,
    );
    const end = offset + tensor.data.byteLength;
    header[name] = { dtype: tensor.dtype, shape: tensor.shape, data_offsets: [offset, end] };
    data.push(tensor.data);
    offset = end;
  }
  // Spaces pad the header so that the data begins on an 8-byte boundary, as the format's own writer does.
  const text = Buffer.from(JSON.stringify(header), 'utf8');
  const padded = Math.ceil(text.length / 8) * 8;
  const start = Buffer.alloc(8 + padded, 0x20);
  start.writeBigUInt64LE(BigInt(padded), 0);
  text.copy(start, 8);
  return [start, ...data];
}

/** Reads what `encodeTensors` wrote. Throws STORE_CHECKPOINT_DAMAGED on anything else; `file` is for the message. */
export function decodeTensors(
  bytes: Uint8Array,
  file: string,
): { tensors: Map<string, StateTensor>; metadata: Record<string, string> } {
  if (bytes.byteLength < 8) throw damaged(file, `at least 8 bytes, found ${bytes.byteLength}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerLength = Number(view.getBigUint64(0, true));
  if (headerLength > HEADER_LIMIT || 8 + headerLength > bytes.byteLength) {
    throw damaged(
      file,
      `a header within ${bytes.byteLength} bytes, found a header length of ${headerLength}`,
    );
  }
  const header = parseHeader(bytes.subarray(8, 8 + headerLength), file);
  const data = bytes.subarray(8 + headerLength);
  const tensors = new Map<string, StateTensor>();
  let metadata: Record<string, string> = {};
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') metadata = entry as Record<string, string>;
    else tensors.set(name, readTensor(name, entry, data, file));
  }
  return { tensors, metadata };
}

function parseHeader(bytes: Uint8Array, file: string): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'));
  } catch (error) {
    throw damaged(file, `a JSON header, found ${(error as Error).message}`);
  }
  if (header === null || typeof header !== 'object' || Array.isArray(header))
    throw damaged(file, 'a JSON object as header');
  return header as Record<string, unknown>;
}

function readTensor(name: string, entry: unknown, data: Uint8Array, file: string): StateTensor {
  const { dtype, shape, data_offsets: offsets } = (entry ?? {}) as Record<string, unknown>;
  if (dtype !== 'F32' && dtype !== 'I32')
    throw damaged(file, `dtype F32 or I32 for ${name}, found ${String(dtype)}`);
  const sizes =
    Array.isArray(shape) && shape.every((n) => Number.isSafeInteger(n) && n >= 0)
      ? (shape as number[])
      : null;
  const [start, end] = Array.isArray(offsets) ? (offsets as number[]) : [];
  const fits =
    Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && end <= data.byteLength;
  if (!sizes || !fits || end - start !== product(sizes) * 4) {
    throw damaged(
      file,
      `offsets and shape of ${name} that fit ${data.byteLength} bytes of data, found ${JSON.stringify(entry)}`,
    );
  }
  const copy = data.slice(start, end).buffer;
  return { dtype, shape: sizes, data: dtype === 'F32' ? new Float32Array(copy) : new Int32Array(copy) };
}

function product(shape: readonly number[]): number {
  return shape.reduce((total, size) => total * size, 1);
}

function damaged(file: string, expected: string): FactoryError {
  return new FactoryError({
    code: 'STORE_CHECKPOINT_DAMAGED',
    message: `${file}: expected ${expected}`,
    remedy: 'Resume from the checkpoint before it, or delete this one.',
    details: { file },
  });
}
