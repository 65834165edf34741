// In: a graph and float64 values for its inputs. Out: its outputs as ONNX Runtime computes them from the lowered bytes,
// and a measure of how far two values are apart. For tests only: sessions are made and released for one run.
import ort from 'onnxruntime-node';
import { lower } from '../compile/lower.ts';
import { simplify } from '../compile/simplify.ts';
import { evaluate } from '../graph/dim.ts';
import type { Graph } from '../graph/node.ts';
import type { DType } from '../graph/op.ts';
import type { Backend, HostArray } from './backend.ts';
import { bindSymbols, type HostValue } from './reference.ts';

const ORT_TYPE = { f32: 'float32', f16: 'float16', i32: 'int32', i64: 'int64', u8: 'uint8' } as const;

function pack(dtype: DType, data: Float64Array): HostArray {
  switch (dtype) {
    case 'f32':
      return Float32Array.from(data);
    case 'f16':
      return Uint16Array.from(data);
    case 'i32':
      return Int32Array.from(data);
    case 'i64':
      return BigInt64Array.from(data, BigInt);
    case 'u8':
      return Uint8Array.from(data);
  }
}

/** A plain object, because `ort.Tensor` makes a Float16Array of f16 patterns and the native side reads no bytes of it. */
const toOrt = (dtype: DType, dims: readonly number[], data: Float64Array): ort.Tensor =>
  ({ type: ORT_TYPE[dtype], data: pack(dtype, data), dims, location: 'cpu' }) as unknown as ort.Tensor;

export async function runOnnx(
  graph: Graph,
  feeds: ReadonlyMap<string, HostValue>,
  threads = 1,
): Promise<Map<string, HostValue>> {
  const bindings = bindSymbols(graph, feeds);
  const lowered = lower(simplify(graph));
  const session = await ort.InferenceSession.create(lowered.bytes, {
    executionProviders: ['cpu'],
    intraOpNumThreads: threads,
    logSeverityLevel: 3,
  });
  try {
    const values: Record<string, ort.Tensor> = {};
    for (const { attrs, dtype } of lowered.inputs) {
      const { dims, data } = feeds.get(attrs.name) as HostValue;
      values[attrs.name] = toOrt(dtype, dims, data);
    }
    for (const { name, dims } of lowered.shapeInputs)
      values[name] = toOrt(
        'i64',
        [dims.length],
        Float64Array.from(dims, (d) => evaluate(d, bindings)),
      );
    const results = await session.run(values);
    return new Map(
      lowered.outputs.map(({ name, node }) => {
        const { dims, data } = results[name];
        const raw =
          data instanceof Float16Array ? new Uint16Array(data.buffer, data.byteOffset, data.length) : data;
        return [
          name,
          {
            dims: [...dims],
            dtype: node.dtype,
            data: Float64Array.from(raw as Float32Array | BigInt64Array, Number),
          },
        ];
      }),
    );
  } finally {
    await session.release();
  }
}

/** The outputs of a graph as a backend computes them. */
export async function runBackend(
  backend: Backend,
  graph: Graph,
  feeds: ReadonlyMap<string, HostValue>,
): Promise<Map<string, HostValue>> {
  await using executable = await backend.compile(graph);
  const tensors = Object.fromEntries(
    graph.inputs.map(({ attrs: { name }, dtype }) => {
      const { dims, data } = feeds.get(name) as HostValue;
      return [name, backend.tensor(dtype, dims, pack(dtype, data))];
    }),
  );
  const out = await executable.run(tensors);
  const values = new Map<string, HostValue>();
  for (const [name, tensor] of Object.entries(out)) {
    const data = Float64Array.from((await tensor.read()) as Float32Array | BigInt64Array, Number);
    values.set(name, { dims: [...tensor.dims], dtype: tensor.dtype, data });
  }
  for (const tensor of [...Object.values(tensors), ...Object.values(out)]) tensor.dispose();
  return values;
}

/** The largest difference in units of the largest magnitude of `expected`; infinite where sizes or dtypes differ. */
export function relativeError(actual: HostValue, expected: HostValue): number {
  if (actual.dtype !== expected.dtype || actual.dims.join() !== expected.dims.join())
    return Number.POSITIVE_INFINITY;
  let scale = 0;
  let apart = 0;
  expected.data.forEach((value, i) => {
    scale = Math.max(scale, Math.abs(value));
    if (!Object.is(value, actual.data[i])) apart = Math.max(apart, Math.abs(value - actual.data[i]));
  });
  return apart === 0 ? 0 : apart / scale;
}
