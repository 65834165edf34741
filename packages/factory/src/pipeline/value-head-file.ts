// In: the folder of a reward model or of its adapter. Out: its value head, and back: `value_head.safetensors` with TRL's
// names, as LLaMA-Factory writes it. Null where there is no such file.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FactoryError } from '#factory/errors.ts';
import { bf16ToF32, f16ToF32 } from '#factory/model/half.ts';
import { ValueHead } from '#factory/model/value-head.ts';
import type { FileContent } from '#factory/store/atomic-file.ts';
import { errnoOf } from '#factory/store/disk-error.ts';
import { readError } from '#factory/store/read-error.ts';
import {
  encodeSafetensors,
  parseSafetensorsHeader,
  type SafetensorsReader,
} from '#factory/store/safetensors-format.ts';

const VALUE_HEAD_FILE = 'value_head.safetensors';
const WEIGHT = 'v_head.summary.weight';
const BIAS = 'v_head.summary.bias';
const READER: SafetensorsReader = {
  code: 'MODEL_BAD_FILE',
  remedy: 'Get this file again from where the reward model came from, or train it again with stage rm.',
};

export async function readValueHead(dir: string, hidden: number): Promise<ValueHead | null> {
  const path = join(dir, VALUE_HEAD_FILE);
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw readError(error, path, READER.code);
  }
  const length =
    bytes.length < 8 ? 0 : Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (bytes.length < 8 || length > bytes.length - 8)
    throw badFile(path, `a header within ${bytes.length} bytes`);
  const { tensors } = parseSafetensorsHeader(bytes.subarray(8, 8 + length), bytes.length, path, READER);
  const take = (name: string, count: number): Float32Array => {
    const entry = tensors.get(name);
    const size = entry?.shape.reduce((a, b) => a * b, 1);
    if (!entry || size !== count)
      throw badFile(path, `${name} with ${count} values, found ${size ?? 'no such tensor'}`);
    // A copy, because the bytes need not be aligned.
    const { buffer } = new Uint8Array(bytes.subarray(entry.start, entry.end));
    if (entry.dtype === 'F32') return new Float32Array(buffer);
    if (entry.dtype === 'F16') return f16ToF32(new Uint16Array(buffer));
    if (entry.dtype === 'BF16') return bf16ToF32(new Uint16Array(buffer));
    throw badFile(path, `${name} as F32, F16 or BF16, found ${entry.dtype}`);
  };
  return new ValueHead(take(WEIGHT, hidden), take(BIAS, 1));
}

export function valueHeadFile({ weight, bias }: ValueHead): Record<string, FileContent> {
  const tensors = [weight, bias].map(({ name, shape, value }) => ({
    name,
    dtype: 'F32' as const,
    shape,
    data: value,
  }));
  return { [VALUE_HEAD_FILE]: encodeSafetensors(tensors, { format: 'pt' }) };
}

function badFile(path: string, expected: string): FactoryError {
  return new FactoryError({ ...READER, message: `${path}: expected ${expected}`, details: { path } });
}
