// In: a model's config, its weights and the type that is wanted. Out: the tensors of its GGUF file as llama.cpp's
// convert_hf_to_gguf writes them, each made when it is written, some rows at a time.
import { invariant } from '#factory/errors.ts';
import { GGML_TYPES, type GgmlType } from '#factory/records/gguf.ts';
import type { ModelConfig, WeightSource, WeightTensor } from '#factory/records/model-config.ts';
import type { GgufTensorToWrite } from '#factory/store/gguf-format.ts';
import { f16Of } from '../convert-type.ts';
import { expectedTensors } from '../expected-tensors.ts';
import { f32ToBf16 } from '../half.ts';
import { floatsOf } from '../load-weights.ts';
import { releaseArray } from '../release-array.ts';
import { quantiseQ8 } from './block-types.ts';
import { ggufExpertStack, ggufRowOrder, ggufTensorName } from './gguf-names.ts';

/** What most matrices of a file are in. */
export type GgufFileType = 'F32' | 'F16' | 'BF16' | 'Q8_0';

/** Values that are converted at a time. */
const PIECE = 2 ** 20;

export function ggufTensors(
  config: ModelConfig,
  source: Pick<WeightSource, 'read'>,
  fileType: GgufFileType,
): GgufTensorToWrite[] {
  const tensors = ropeTensors(config);
  const stacks = new Map<string, { shape: number[]; parts: string[] }>();
  for (const [name, shape] of expectedTensors(config)) {
    const stack = ggufExpertStack(name, config);
    if (stack) {
      const known = stacks.get(stack) ?? { shape: [0, ...shape], parts: [] };
      known.shape[0] = known.parts.push(name);
      stacks.set(stack, known);
    } else tensors.push(plan(ggufTensorName(name, config), shape, [name]));
  }
  for (const [name, { shape, parts }] of stacks) tensors.push(plan(name, shape, parts));
  return tensors;

  function plan(name: string, shape: number[], parts: string[]): GgufTensorToWrite {
    const type = typeOf(name, shape, fileType);
    const { normOffset } = config;
    const offset = name.endsWith('_norm.weight') ? normOffset : 0;
    return {
      name,
      shape,
      type,
      async *pieces() {
        for (const part of parts) {
          const tensor = await source.read(part);
          yield* encode(tensor, type, offset, ggufRowOrder(part, config));
          releaseArray(tensor.data);
        }
      },
    };
  }
}

/** Vectors and routers stay in float32; q8_0 needs rows of whole blocks, and the others become float16. */
function typeOf(name: string, shape: readonly number[], fileType: GgufFileType): GgmlType {
  if (shape.length < 2 || name.endsWith('_norm.weight') || name.endsWith('ffn_gate_inp.weight')) return 'F32';
  return (shape.at(-1) as number) % GGML_TYPES[fileType].size === 0 ? fileType : 'F16';
}

function* encode(
  { name, shape, dtype, data }: WeightTensor,
  type: GgmlType,
  offset: number,
  order: ((row: number) => number) | null,
): Generator<ArrayBufferView> {
  if (dtype === type && offset === 0 && !order) {
    yield data;
    return;
  }
  const width = shape.length > 1 ? (shape.at(-1) as number) : 1;
  const rows = data.length / width;
  const step = Math.max(1, Math.floor(PIECE / width)) * (width === 1 ? GGML_TYPES[type].size : 1);
  for (let row = 0; row < rows; row += step) {
    const end = Math.min(rows, row + step);
    const picked = order ? pickRows(data, row, end, width, order) : data.slice(row * width, end * width);
    const values = floatsOf({ dtype, data: picked });
    if (offset !== 0) for (let i = 0; i < values.length; i++) values[i] += offset;
    yield packed(name, type, values);
  }
}

function pickRows<T extends Float32Array | Uint16Array>(
  data: T,
  from: number,
  to: number,
  width: number,
  order: (row: number) => number,
): T {
  const picked = data.slice(from * width, to * width) as T;
  for (let row = from; row < to; row++) {
    const at = order(row) * width;
    picked.set(data.subarray(at, at + width), (row - from) * width);
  }
  return picked;
}

function packed(name: string, type: GgmlType, values: Float32Array): ArrayBufferView {
  if (type === 'F32') return values;
  if (type === 'BF16') return f32ToBf16(values);
  if (type === 'F16') return f16Of(name, values);
  invariant(type === 'Q8_0', `${type} is not written here`);
  return quantiseQ8(values);
}

/** Divisors of the frequencies, where llama.cpp takes them from the file. */
function ropeTensors({ ropeScaling: scaling, ropeTheta, rotaryDim }: ModelConfig): GgufTensorToWrite[] {
  const vector = (name: string, values: Float32Array): GgufTensorToWrite => ({
    name,
    shape: [values.length],
    type: 'F32',
    pieces: () => [values],
  });
  if (scaling?.kind === 'longrope')
    return [
      vector('rope_factors_long.weight', Float32Array.from(scaling.longFactor)),
      vector('rope_factors_short.weight', Float32Array.from(scaling.shortFactor)),
    ];
  if (scaling?.kind !== 'llama3') return [];
  const { factor, lowFreqFactor: low, highFreqFactor: high, originalMaxPositions: length } = scaling;
  const { fround } = Math;
  const factors = Float32Array.from({ length: rotaryDim / 2 }, (_, i) => {
    const frequency = fround(1 / fround(fround(ropeTheta) ** fround((2 * i) / rotaryDim)));
    const wave = fround(fround(2 * Math.PI) / frequency);
    if (wave < length / high) return 1;
    if (wave > length / low) return factor;
    const smooth = fround(fround(fround(length / wave) - low) / (high - low));
    return fround(1 / fround(fround(fround(1 - smooth) / factor) + smooth));
  });
  return [vector('rope_freqs.weight', factors)];
}
