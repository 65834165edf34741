// In: an opened checkpoint and how its frozen layers are to rest. Out: their matrices parked: quantised as they are read,
// packed as they are in the file, or left on the disk. Biases, norms, routers, embeddings and the output
// head are not parked.
import type { PackedTensor, WeightSource, WeightTensor } from '#factory/records/model-config.ts';
import type { FourBitKind } from './bitsandbytes/codes.ts';
import { dequantise8Bit, quantise8Bit } from './bitsandbytes/eight-bit.ts';
import {
  dequantise4Bit,
  type FourBitMatrix,
  fourBitBytes,
  quantise4Bit,
  type ReadValues,
} from './bitsandbytes/four-bit.ts';
import { bf16ToF16Checked, bf16ToF32, f16ToF32 } from './half.ts';
import { isRouter } from './layer-modules.ts';
import { notFinite, toStored } from './load-weights.ts';
import type { ParkedWeight } from './parameter.ts';
import { releaseArray } from './release-array.ts';

export type Quantisation = { bits: 4; kind: FourBitKind; nested: boolean } | { bits: 8 };

/**
 * Quantises a matrix of float32 values together with the start of its adapter (LoftQ); null for matrices that have none. `plain`
 * is how all others are quantised.
 */
export type QuantiseWithAdapter = (
  name: string,
  values: Float32Array,
  shape: readonly number[],
  plain: (values: Float32Array) => FourBitMatrix,
) => Promise<FourBitMatrix | null>;

export interface ParkOptions {
  quantisation: Quantisation | null;
  /** Frozen layers stay on the disk. */
  stream: boolean;
  isTrained(name: string): boolean;
  halfStorage: boolean;
  withAdapter?: QuantiseWithAdapter;
  onNote?(text: string): void;
}

/** Holds one tensor at a time in full precision. */
export async function parkWeights(
  source: WeightSource,
  names: Iterable<string>,
  options: ParkOptions,
): Promise<Map<string, ParkedWeight>> {
  const parked = new Map<string, ParkedWeight>();
  if (!options.quantisation && !options.stream && !source.readPacked) return parked;
  for (const name of names) {
    const shape = source.tensors.get(name)?.shape ?? [];
    if (!name.startsWith('model.layers.') || shape.length !== 2 || isRouter(name) || options.isTrained(name))
      continue;
    const { quantisation } = options;
    const packed = await source.readPacked?.(name);
    if (packed) parked.set(name, unpackedWhenDue(packed));
    if (!quantisation && !options.stream) continue;
    const tensor = await source.read(name);
    parked.set(
      name,
      quantisation
        ? await quantised(tensor, quantisation, options.withAdapter)
        : await streamed(tensor, source, options),
    );
    releaseArray(tensor.data);
  }
  const bytes = [...parked.values()].reduce((n, { restBytes }) => n + restBytes, 0);
  const how = options.quantisation ? `in ${options.quantisation.bits} bits` : 'packed as in the file';
  if (bytes > 0) options.onNote?.(`${parked.size} matrices rest ${how}, ${(bytes / 1e6).toFixed(1)} MB`);
  return parked;
}

function unpackedWhenDue({ shape, bytes, expand }: PackedTensor): ParkedWeight {
  return { shape, dtype: 'f32', restBytes: bytes, load: (into) => expand(into as Float32Array) };
}

async function quantised(
  tensor: WeightTensor,
  how: Quantisation,
  withAdapter?: QuantiseWithAdapter,
): Promise<ParkedWeight> {
  const { name, shape } = tensor;
  const read = finiteValues(tensor);
  if (how.bits === 8) {
    const matrix = quantise8Bit(read, shape);
    return {
      shape,
      dtype: 'f32',
      restBytes: matrix.values.byteLength + matrix.rowMax.byteLength,
      load: (into) => dequantise8Bit(matrix, into as Float32Array),
    };
  }
  const plain = (values: Float32Array) =>
    quantise4Bit((from, to) => values.subarray(from, to), shape, how.kind, how.nested);
  const joint = withAdapter && (await withAdapter(name, read(0, tensor.data.length), shape, plain));
  const matrix = joint ?? quantise4Bit(read, shape, how.kind, how.nested);
  return {
    shape,
    dtype: 'f32',
    restBytes: fourBitBytes(matrix),
    load: (into) => dequantise4Bit(matrix, into as Float32Array),
  };
}

/** Parts of a tensor as float32; NaN or infinity is refused. */
function finiteValues({ name, dtype, data }: WeightTensor): ReadValues {
  let piece = new Float32Array(0);
  return (from, to) => {
    if (piece.length < to - from) piece = new Float32Array(to - from);
    const values = piece.subarray(0, to - from);
    if (dtype === 'F32') values.set(data.subarray(from, to));
    else (dtype === 'F16' ? f16ToF32 : bf16ToF32)(data.subarray(from, to) as Uint16Array, values);
    let spoilt = 0;
    for (let i = 0; i < values.length; i++) spoilt += values[i] * 0;
    if (spoilt === 0) return values;
    const at = values.findIndex((v) => !Number.isFinite(v));
    throw notFinite(name, from + at, values[at]);
  };
}

/** Read once now, so that what is wrong shows before training and the form is that of a resident tensor. */
async function streamed(
  tensor: WeightTensor,
  source: WeightSource,
  options: ParkOptions,
): Promise<ParkedWeight> {
  const { name, shape } = tensor;
  const { dtype, data } = (await toStored(tensor, options, () => source.read(name))).weight;
  if (data.buffer !== tensor.data.buffer) releaseArray(data);
  const { readInto } = source;
  const isAsStored = (tensor.dtype === 'F32') === (dtype === 'f32') && tensor.dtype !== 'BF16';
  const isHalf = tensor.dtype === 'BF16' && dtype === 'f16';
  return {
    shape,
    dtype,
    restBytes: 0,
    async load(into) {
      if (readInto && (isAsStored || isHalf)) {
        await readInto(name, new Uint8Array(into.buffer as ArrayBuffer, into.byteOffset, into.byteLength));
        if (isHalf) bf16ToF16Checked(into as Uint16Array<ArrayBuffer>, into as Uint16Array<ArrayBuffer>);
      } else {
        const tensor = await source.read(name);
        const { data } = (await toStored(tensor, options, () => source.read(name))).weight;
        into.set(data);
        if (data.buffer !== tensor.data.buffer) releaseArray(tensor.data);
        releaseArray(data);
      }
    },
  };
}
