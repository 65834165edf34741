// In: a tensor and a type. Out: the tensor in that type. A value that float16 cannot hold is an error that names the tensor.
import { FactoryError } from '#factory/errors.ts';
import type { WeightTensor } from '#factory/records/model-config.ts';
import { f32ToBf16, f32ToF16Checked } from './half.ts';
import { floatsOf } from './load-weights.ts';

export function inType(tensor: WeightTensor, dtype: WeightTensor['dtype']): WeightTensor {
  if (tensor.dtype === dtype) return tensor;
  const values = floatsOf(tensor);
  if (dtype === 'F32') return { ...tensor, dtype, data: values };
  return { ...tensor, dtype, data: dtype === 'BF16' ? f32ToBf16(values) : f16Of(tensor.name, values) };
}

export function f16Of(name: string, values: Float32Array): Uint16Array {
  const { data, overflowed } = f32ToF16Checked(values);
  if (overflowed === 0) return data;
  throw new FactoryError({
    code: 'EXPORT_UNSUPPORTED',
    message: `tensor ${name}: ${overflowed} values are beyond float16, whose largest is 65504`,
    remedy: 'Set export_dtype to bfloat16 or float32.',
  });
}
