// In: an opened checkpoint whose names and shapes were checked. Out: its tensors in memory, in the form that they rest in:
// trained tensors, biases and norms as f32; frozen matrices as f32 or f16. Nothing is computed with them here.

import { FactoryError } from '#factory/errors.ts';
import type { WeightSource, WeightTensor } from '#factory/records/model-config.ts';
import { bf16ToF16Checked, bf16ToF32, f16ToF32, f32ToF16Checked } from './half.ts';
import type { StoredWeight } from './parameter.ts';
import { releaseArray } from './release-array.ts';

export interface LoadOptions {
  isTrained(name: string): boolean;
  /** Keep frozen float32 matrices as f16 too (`--fp16`, `--bf16`: on a CPU these mean storage). */
  halfStorage: boolean;
  onProgress?(done: number, total: number): void;
  onNote?(text: string): void;
  /** Changes a matrix in place as it is loaded (adapters merged into the base), or returns false. */
  edit?(name: string, values: Float32Array): boolean | Promise<boolean>;
}

/** Reads tensors `names` one at a time, the next while one is converted; 16-bit types are converted in place. */
export async function loadWeights(
  source: WeightSource,
  names: Iterable<string>,
  options: LoadOptions,
): Promise<Map<string, StoredWeight>> {
  const all = [...names];
  const weights = new Map<string, StoredWeight>();
  const widened: string[] = [];
  const read = (i: number) => {
    const reading = i < all.length ? source.read(all[i]) : null;
    // What goes wrong is thrown where the tensor is used.
    reading?.catch(() => {});
    return reading;
  };
  let upcoming = read(0);
  for (const [i, name] of all.entries()) {
    const tensor = (await upcoming) as WeightTensor;
    upcoming = read(i + 1);
    const stored = await toStored(tensor, options, () => source.read(name));
    if (stored.weight.data.buffer !== tensor.data.buffer) releaseArray(tensor.data);
    if (stored.widened) widened.push(name);
    weights.set(name, stored.weight);
    options.onProgress?.(i + 1, all.length);
  }
  if (widened.length > 0)
    options.onNote?.(
      `${widened.length} matrices hold values beyond float16 and stay float32 in memory (first: ${widened[0]})`,
    );
  return weights;
}

/** `again` reads the tensor once more: bf16 is converted in place, and a value beyond f16 asks for the original. */
export async function toStored(
  tensor: WeightTensor,
  options: Pick<LoadOptions, 'isTrained' | 'halfStorage' | 'edit'>,
  again: () => Promise<WeightTensor>,
): Promise<{ weight: StoredWeight; widened: boolean }> {
  const { name, shape, dtype, data } = tensor;
  const f32 = (values: Float32Array, widened = false) => ({
    weight: { shape, dtype: 'f32' as const, data: values },
    widened,
  });
  const f16 = (values: Uint16Array<ArrayBufferLike>) => ({
    weight: { shape, dtype: 'f16' as const, data: values },
    widened: false,
  });
  if (options.edit) {
    const whole = toFloat32(tensor);
    const values = whole === data ? new Float32Array(whole) : whole;
    if (await options.edit(name, values)) return f32(values);
    releaseArray(values);
  }
  if (options.isTrained(name) || shape.length < 2) return f32(toFloat32(tensor));
  if (dtype === 'F16') return f16(finiteHalves(name, data as Uint16Array));
  if (dtype === 'F32' && !options.halfStorage) return f32(toFloat32(tensor));
  const half =
    dtype === 'F32'
      ? f32ToF16Checked(data as Float32Array)
      : bf16ToF16Checked(data as Uint16Array, data as Uint16Array);
  if (half.notFinite === 0 && half.overflowed === 0) return f16(half.data);
  return f32(toFloat32(dtype === 'F32' ? tensor : await again()), true);
}

/** The values of a checkpoint tensor as float32; NaN or infinity is refused, because training on it cannot work. */
function toFloat32(tensor: WeightTensor): Float32Array {
  const { name } = tensor;
  const values = floatsOf(tensor);
  for (let i = 0; i < values.length; i++)
    if (!Number.isFinite(values[i])) throw notFinite(name, i, values[i]);
  return values;
}

/** The values as float32, whatever they are; those of a float32 tensor are its own memory. */
export function floatsOf({ dtype, data }: Pick<WeightTensor, 'dtype' | 'data'>): Float32Array {
  if (dtype === 'F32') return data as Float32Array;
  return dtype === 'F16' ? f16ToF32(data as Uint16Array) : bf16ToF32(data as Uint16Array);
}

/** The same check on f16 patterns, which are infinite or NaN where all bits of the exponent are set. */
function finiteHalves(name: string, patterns: Uint16Array): Uint16Array {
  for (let i = 0; i < patterns.length; i++)
    if ((patterns[i] & 0x7c00) === 0x7c00) throw notFinite(name, i, f16ToF32(patterns.subarray(i, i + 1))[0]);
  return patterns;
}

export function notFinite(name: string, index: number, found: number): FactoryError {
  return new FactoryError({
    code: 'MODEL_BAD_FILE',
    message: `tensor ${name}: element ${index} is ${found}, expected a finite number`,
    remedy: 'Download the checkpoint again, or choose one that was saved without NaN or infinity.',
  });
}
