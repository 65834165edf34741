// In: the path of a safetensors file that fits into memory, such as an adapter. Out: its tensors as float32, read one after
// the other. Weights of base models are read by model/safetensors.ts, in the type that they have.
import { open } from 'node:fs/promises';
import { FactoryError } from '#factory/errors.ts';
import { readRange, readSafetensorsHeader, type SafetensorsReader } from './safetensors-format.ts';

export interface FloatTensor {
  shape: number[];
  data: Float32Array;
}

/** Errors of the file system pass as they are: a missing file means something else to every caller. */
export async function readFloatTensors(
  path: string,
  reader: SafetensorsReader,
): Promise<Map<string, FloatTensor>> {
  const file = await open(path, 'r');
  try {
    const { tensors } = await readSafetensorsHeader(file, path, reader);
    const read = new Map<string, FloatTensor>();
    for (const [name, { dtype, shape, start, end }] of tensors) {
      if (dtype !== 'F32' && dtype !== 'F16' && dtype !== 'BF16')
        throw new FactoryError({
          ...reader,
          message: `${path}: tensor ${name}: expected F32, F16 or BF16, found ${dtype}`,
          details: { path },
        });
      const bytes = new Uint8Array(end - start);
      await readRange(file, bytes, start, path, reader);
      read.set(name, { shape, data: toFloat32(bytes, dtype) });
    }
    return read;
  } finally {
    await file.close();
  }
}

function toFloat32(bytes: Uint8Array<ArrayBuffer>, dtype: 'F32' | 'F16' | 'BF16'): Float32Array {
  if (dtype === 'F32') return new Float32Array(bytes.buffer);
  if (dtype === 'F16') return new Float32Array(new Float16Array(bytes.buffer));
  const patterns = new Uint16Array(bytes.buffer);
  return new Float32Array(Uint32Array.from(patterns, (pattern) => pattern << 16).buffer);
}
