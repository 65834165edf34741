// In: the folder of a reward model or of its adapter. Out: its value head, and back: `value_head.safetensors` with TRL's
// names, as LLaMA-Factory writes it. Null where there is no such file.
import { join } from 'node:path';
import { FactoryError } from '#factory/errors.ts';
import { ValueHead } from '#factory/model/value-head.ts';
import type { FileContent } from '#factory/store/atomic-file.ts';
import { errnoOf } from '#factory/store/disk-error.ts';
import { type FloatTensor, readFloatTensors } from '#factory/store/float-tensors.ts';
import { readError } from '#factory/store/read-error.ts';
import { encodeSafetensors, type SafetensorsReader } from '#factory/store/safetensors-format.ts';

const VALUE_HEAD_FILE = 'value_head.safetensors';
const WEIGHT = 'v_head.summary.weight';
const BIAS = 'v_head.summary.bias';
const READER: SafetensorsReader = {
  code: 'MODEL_BAD_FILE',
  remedy: 'Get this file again from where the reward model came from, or train it again with stage rm.',
};

export async function readValueHead(dir: string, hidden: number): Promise<ValueHead | null> {
  const path = join(dir, VALUE_HEAD_FILE);
  let tensors: Map<string, FloatTensor>;
  try {
    tensors = await readFloatTensors(path, READER);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw readError(error, path, READER.code);
  }
  const take = (name: string, count: number): Float32Array => {
    const found = tensors.get(name)?.data;
    if (found?.length === count) return found;
    throw new FactoryError({
      ...READER,
      message: `${path}: expected ${name} with ${count} values, found ${found?.length ?? 'no such tensor'}`,
      details: { path },
    });
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
