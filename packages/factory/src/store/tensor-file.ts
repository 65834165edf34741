// In: named F32 and I32 tensors (optimiser moments, counters). Out: their bytes as a safetensors file, and back.
// Whole files in memory only: model weights, which may not fit, have their own reader.
import { FactoryError, invariant } from '#factory/errors.ts';
import { encodeSafetensors, parseSafetensorsHeader, type SafetensorsReader } from './safetensors-format.ts';

export interface StateTensor {
  dtype: 'F32' | 'I32';
  shape: number[];
  data: Float32Array | Int32Array;
}

const READER: SafetensorsReader = {
  code: 'STORE_CHECKPOINT_DAMAGED',
  remedy: 'Resume from the checkpoint before it, or delete this one.',
};

/** The pieces of the file in order, without copying tensor data. Hand them to `writeAtomic` or `writeCheckpoint`. */
export function encodeTensors(
  tensors: ReadonlyMap<string, StateTensor>,
  metadata: Record<string, string> = {},
): ArrayBufferView[] {
  for (const [name, { dtype, shape, data }] of tensors) {
    const size = shape.reduce((total, length) => total * length, 1);
    const fits = data instanceof Float32Array === (dtype === 'F32') && data.length === size;
    invariant(fits && name !== '__metadata__', `tensor ${name} is not ${dtype} of shape [${shape}]`);
  }
  return encodeSafetensors(
    [...tensors].map(([name, tensor]) => ({ name, ...tensor })),
    metadata,
  );
}

/** Reads what `encodeTensors` wrote. Throws STORE_CHECKPOINT_DAMAGED on anything else; `path` is for the message. */
export function decodeTensors(
  bytes: Uint8Array,
  path: string,
): { tensors: Map<string, StateTensor>; metadata: Record<string, string> } {
  const length =
    bytes.byteLength < 8
      ? Infinity
      : Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (length > bytes.byteLength - 8) {
    const found = length === Infinity ? '' : ` and a header of ${length} bytes`;
    throw damaged(
      path,
      `a header of at least 8 bytes that fits the file, found ${bytes.byteLength} bytes${found}`,
    );
  }
  const { tensors: entries, metadata } = parseSafetensorsHeader(
    bytes.subarray(8, 8 + length),
    bytes.byteLength,
    path,
    READER,
  );
  const tensors = new Map<string, StateTensor>();
  for (const [name, { dtype, shape, start, end }] of entries) {
    if (dtype !== 'F32' && dtype !== 'I32')
      throw damaged(path, `tensor ${name} to be F32 or I32, found ${dtype}`);
    // A copy, because the bytes need not be aligned to 4.
    const { buffer } = new Uint8Array(bytes.subarray(start, end));
    tensors.set(name, {
      dtype,
      shape,
      data: dtype === 'F32' ? new Float32Array(buffer) : new Int32Array(buffer),
    });
  }
  return { tensors, metadata };
}

function damaged(path: string, expected: string): FactoryError {
  return new FactoryError({ ...READER, message: `${path}: expected ${expected}`, details: { path } });
}
