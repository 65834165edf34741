// In: an open checkpoint. Out: the same, with matrices that bitsandbytes has quantised (codes, scales and code books as tensors
// beside each other) as packed matrices under the name of their weight. Nothing is turned back into numbers here before it
// is asked for.
import { FactoryError, invariant } from '#factory/errors.ts';
import type { ModelConfig, PackedTensor } from '#factory/records/model-config.ts';
import type { SafetensorsSource } from '../safetensors.ts';
import { dequantise8Bit, type EightBitMatrix } from './eight-bit.ts';
import { dequantise4Bit, type FourBitMatrix, fourBitBytes } from './four-bit.ts';

/** In how many bits bitsandbytes has quantised a checkpoint; null where it has not. */
export function codedBits({ raw }: Pick<ModelConfig, 'raw'>): 4 | 8 | null {
  const how = raw.quantization_config as Readonly<Record<string, unknown>> | null | undefined;
  if (!how) return null;
  return how.load_in_4bit === true ? 4 : 8;
}

type Coded = { bits: 4; matrix: FourBitMatrix } | { bits: 8; matrix: EightBitMatrix };

/** What bitsandbytes writes beside the codes of a weight. */
const BESIDE =
  /\.(weight\.(absmax|quant_map|nested_absmax|nested_quant_map|quant_state\.bitsandbytes__(nf4|fp4))|SCB|weight_format)$/;
const STATE = /^(.*\.weight)\.quant_state\.bitsandbytes__(nf4|fp4)$/;

/** The source itself where nothing is quantised so. */
export async function withStoredCodes(source: SafetensorsSource): Promise<SafetensorsSource> {
  const { otherDtypes } = source;
  const shapes = new Map<string, { shape: number[]; state: Record<string, unknown> | null }>();
  for (const [name, entry] of otherDtypes) {
    const weight = STATE.exec(name)?.[1];
    if (weight !== undefined) {
      const state = await readState(source, name, entry);
      shapes.set(weight, { shape: state.shape as number[], state });
    } else if (entry.dtype === 'I8' && source.tensors.has(name.replace(/\.weight$/, '.SCB')))
      shapes.set(name, { shape: entry.shape, state: null });
  }
  if (shapes.size === 0) return source;
  const tensors = new Map([...source.tensors].filter(([name]) => !BESIDE.test(name)));
  for (const [name, { shape }] of shapes) {
    const entry = otherDtypes.get(name);
    if (!entry) throw broken(source, name, 'codes in U8 or I8 of that name', 'none');
    tensors.set(name, { dtype: 'F32', shape, file: entry.file });
  }
  const coded = async (name: string): Promise<Coded | null> => {
    const known = shapes.get(name);
    if (!known) return null;
    return known.state ? readFourBit(source, name, known.state) : readEightBit(source, name, known.shape);
  };
  const valuesOf = async (name: string): Promise<Float32Array | null> => {
    const found = await coded(name);
    if (!found) return null;
    const values = new Float32Array(found.matrix.shape.reduce((n, d) => n * d, 1));
    expand(found, values);
    return values;
  };
  return {
    tensors,
    otherDtypes: new Map([...otherDtypes].filter(([name]) => !BESIDE.test(name) && !shapes.has(name))),
    async read(name) {
      const data = await valuesOf(name);
      return data ? { name, dtype: 'F32', shape: shapes.get(name)!.shape, data } : source.read(name);
    },
    async readInto(name, bytes, offset = 0) {
      const data = await valuesOf(name);
      if (!data) return source.readInto!(name, bytes, offset);
      bytes.set(new Uint8Array(data.buffer, offset, bytes.length));
    },
    async readPacked(name): Promise<PackedTensor | null> {
      const found = await coded(name);
      if (!found) return (await source.readPacked?.(name)) ?? null;
      const { shape } = found.matrix;
      return {
        shape,
        bytes:
          found.bits === 4
            ? fourBitBytes(found.matrix)
            : found.matrix.values.byteLength + found.matrix.rowMax.byteLength,
        expand(into, from = 0, to = shape[0]) {
          if (from === 0 && to === shape[0]) return expand(found, into);
          const all = new Float32Array(shape[0] * shape[1]);
          expand(found, all);
          into.set(all.subarray(from * shape[1], to * shape[1]));
        },
      };
    },
    close: () => source.close(),
  };
}

function expand(found: Coded, into: Float32Array): void {
  if (found.bits === 4) dequantise4Bit(found.matrix, into);
  else dequantise8Bit(found.matrix, into);
}

/** The part of the quantisation state that is JSON in a tensor of bytes. */
async function readState(
  source: SafetensorsSource,
  name: string,
  { dtype, shape, file }: { dtype: string; shape: number[]; file: string },
): Promise<Record<string, unknown>> {
  const expected = 'a JSON object with shape (two sizes), blocksize and quant_type in U8';
  const count = shape.reduce((n, d) => n * d, 1);
  if (dtype !== 'U8' || count > 1e5) throw broken(source, name, expected, `${dtype} [${shape}]`);
  const bytes = new Uint8Array(count);
  await source.readInto!(name, bytes);
  let state: Record<string, unknown> | null = null;
  try {
    state = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    throw broken(source, name, expected, 'no JSON');
  }
  const sizes = state?.shape;
  const isSize = (n: unknown) => Number.isInteger(n) && (n as number) > 0 && (n as number) < 2 ** 24;
  const fits = Array.isArray(sizes) && sizes.length === 2 && sizes.every(isSize) && isSize(state?.blocksize);
  if (!state || !fits)
    throw broken(source, name, expected, `${JSON.stringify(state).slice(0, 120)} in ${file}`);
  return state;
}

async function readFourBit(
  source: SafetensorsSource,
  name: string,
  state: Record<string, unknown>,
): Promise<Coded> {
  const shape = state.shape as number[];
  const blockSize = state.blocksize as number;
  const count = shape[0] * shape[1];
  const blocks = Math.ceil(count / blockSize);
  const packed = await readBytes(source, name, Math.ceil(count / 2));
  const code = await readFloats(source, `${name}.quant_map`, 16);
  if (source.tensors.has(`${name}.absmax`)) {
    const absmax = await readFloats(source, `${name}.absmax`, blocks);
    return { bits: 4, matrix: { shape, code, blockSize, packed, absmax } };
  }
  const { nested_blocksize: inner, nested_offset: offset } = state;
  if (typeof inner !== 'number' || !Number.isInteger(inner) || inner < 1 || typeof offset !== 'number')
    throw broken(source, name, 'nested_blocksize and nested_offset beside scales in 8 bits', 'neither');
  const absmax = {
    codes: await readBytes(source, `${name}.absmax`, blocks),
    code: await readFloats(source, `${name}.nested_quant_map`, 256),
    scales: await readFloats(source, `${name}.nested_absmax`, Math.ceil(blocks / inner)),
    blockSize: inner,
    offset: Math.fround(offset),
  };
  return { bits: 4, matrix: { shape, code, blockSize, packed, absmax } };
}

async function readEightBit(source: SafetensorsSource, name: string, shape: number[]): Promise<Coded> {
  if (shape.length !== 2) throw broken(source, name, 'a matrix in I8', `shape [${shape}]`);
  const module = name.replace(/\.weight$/, '');
  const format = `${module}.weight_format`;
  if (source.otherDtypes.has(format)) {
    const [layout] = await readBytes(source, format, 1);
    if (layout !== 0) throw broken(source, format, '0 (row by row)', `${layout}`);
  }
  const bytes = await readBytes(source, name, shape[0] * shape[1]);
  const rowMax = await readFloats(source, `${module}.SCB`, shape[0]);
  return { bits: 8, matrix: { shape, values: new Int8Array(bytes.buffer), rowMax } };
}

async function readBytes(source: SafetensorsSource, name: string, count: number) {
  const entry = source.otherDtypes.get(name);
  const found = entry?.shape.reduce((n, d) => n * d, 1);
  if (found !== count || !/^[UI]8$/.test(entry?.dtype ?? ''))
    throw broken(source, name, `${count} bytes`, entry ? `${entry.dtype} [${entry.shape}]` : 'none');
  const bytes = new Uint8Array(count);
  await source.readInto!(name, bytes);
  return bytes;
}

async function readFloats(source: SafetensorsSource, name: string, count: number): Promise<Float32Array> {
  const entry = source.tensors.get(name);
  const found = entry?.shape.reduce((n, d) => n * d, 1);
  if (found !== count || entry?.dtype !== 'F32')
    throw broken(source, name, `${count} values in F32`, entry ? `${entry.dtype} [${entry.shape}]` : 'none');
  const { data } = await source.read(name);
  invariant(data instanceof Float32Array, `${name} is read as F32`);
  const at = data.findIndex((v) => !Number.isFinite(v));
  if (at >= 0) throw broken(source, name, 'finite numbers', `${data[at]} at ${at}`);
  return data;
}

function broken(source: SafetensorsSource, name: string, expected: string, found: string): FactoryError {
  const file = (source.otherDtypes.get(name) ?? source.tensors.get(name))?.file ?? 'the checkpoint';
  return new FactoryError({
    code: 'MODEL_BAD_FILE',
    message: `${file}: tensor ${name}: expected ${expected}, as bitsandbytes writes it, found ${found}`,
    remedy: 'Get the checkpoint again from where it came from, or use the one that is not quantised.',
    details: { tensor: name },
  });
}
