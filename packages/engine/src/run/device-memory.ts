// In: host arrays and runtime tensors of a device. Out: uploads, downloads (many tensors in one copy) and sums on the
// device, all counted. It knows neither graphs of ours nor who owns a tensor.
import { lower } from '../compile/lower.ts';
import { encodeModel, type OnnxModel, type OnnxNode } from '../compile/proto.ts';
import type { Target } from '../compile/target.ts';
import { makeInput, reshape, slice } from '../graph/build.ts';
import { makeGraph } from '../graph/node.ts';
import type { DType } from '../graph/op.ts';
import type { DeviceTraffic, FloatArray, HostArray } from './backend.ts';
import { elementCount } from './host-tensor.ts';
import {
  ORT_TYPE,
  type OrtTensor,
  openSession,
  type Runtime,
  runFailed,
  type Session,
  type SessionOptions,
} from './ort-runtime.ts';

/** Copies that are joined hold at most this many bytes, so that neither side needs one huge buffer. */
export const JOINED_BYTES = 64 * 2 ** 20;

const node = (op: string, inputs: string[], output: string, attributes = {}): OnnxNode => ({
  op,
  domain: '',
  inputs,
  outputs: [output],
  attributes,
});

/** A model over inputs of any rank, which all have the same type. */
function anyRank(name: string, dtype: DType, nodes: OnnxNode[], inputs: string[]): OnnxModel {
  return {
    name,
    nodes,
    inputs: inputs.map((i) => ({ name: i, type: dtype })),
    outputs: [{ name: 'y', type: dtype }],
    constants: [{ name: 'flat', type: 'i64', dims: [1], values: [-1] }],
  };
}

/** Consecutive ranges of `sizes` whose bytes stay within JOINED_BYTES; one that is larger stands alone. */
export function joinedRanges(floats: readonly number[], limit = JOINED_BYTES): [number, number][] {
  const ranges: [number, number][] = [];
  let bytes = 0;
  floats.forEach((count, i) => {
    const last = ranges.at(-1);
    bytes += count * 4;
    if (last && bytes <= limit) {
      last[1] = i + 1;
    } else {
      ranges.push([i, i + 1]);
      bytes = count * 4;
    }
  });
  return ranges;
}

export class DeviceMemory {
  readonly runtime: Runtime;
  readonly traffic: DeviceTraffic = {
    uploads: 0,
    uploadedBytes: 0,
    downloads: 0,
    downloadedBytes: 0,
    residentTensors: 0,
    residentBytes: 0,
  };
  readonly #target: Target;
  readonly #options: SessionOptions;
  readonly #sessions = new Map<string, Promise<Session>>();
  readonly #held = new Map<OrtTensor, number>();
  isClosed = false;

  constructor(runtime: Runtime, target: Target, options: SessionOptions) {
    this.runtime = runtime;
    this.#target = target;
    this.#options = options;
  }

  /** A session whose outputs stay on the device, or come to the host. */
  #session(key: string, to: 'gpu-buffer' | 'cpu', make: () => Uint8Array): Promise<Session> {
    let session = this.#sessions.get(key);
    if (!session) {
      session = openSession(this.runtime, key, make(), { ...this.#options, preferredOutputLocation: to });
      this.#sessions.set(key, session);
    }
    return session;
  }

  async #run(name: string, session: Session, feeds: Record<string, OrtTensor>) {
    try {
      return (await session.run(feeds)) as Record<string, OrtTensor>;
    } catch (cause) {
      throw runFailed(name, cause);
    }
  }

  /** Takes a tensor that a session left on the device into the account. */
  hold(tensor: OrtTensor, bytes: number): OrtTensor {
    this.#held.set(tensor, bytes);
    this.traffic.residentTensors++;
    this.traffic.residentBytes += bytes;
    return tensor;
  }

  free(tensor: OrtTensor): void {
    const bytes = this.#held.get(tensor);
    if (bytes === undefined) return;
    this.#held.delete(tensor);
    this.traffic.residentTensors--;
    this.traffic.residentBytes -= bytes;
    tensor.dispose();
  }

  /** What f16 rests as on this device. */
  stored(dtype: DType): DType {
    return dtype === 'f16' && !this.#target.halfFloats ? 'f32' : dtype;
  }

  async upload(dtype: DType, dims: readonly number[], data: HostArray): Promise<OrtTensor> {
    const type = this.stored(dtype);
    const values =
      type === dtype
        ? data
        : Float32Array.from(new Float16Array(data.buffer as ArrayBuffer, data.byteOffset, data.length));
    const copy = () => encodeModel(anyRank('upload', type, [node('Identity', ['x'], 'y')], ['x']));
    const session = await this.#session(`upload ${type}`, 'gpu-buffer', copy);
    // A plain object: where Float16Array exists, ort.Tensor makes one and the native side then reads no bytes of it.
    const host = { type: ORT_TYPE[type], data: values, dims, location: 'cpu' } as unknown as OrtTensor;
    const { y } = await this.#run('upload', session, { x: host });
    this.traffic.uploads++;
    this.traffic.uploadedBytes += values.byteLength;
    return this.hold(y, values.byteLength);
  }

  /** Host arrays as tensors of their sizes, in one copy per JOINED_BYTES. */
  async uploadAll(arrays: readonly FloatArray[]): Promise<OrtTensor[]> {
    const tensors: OrtTensor[] = [];
    const counts = arrays.map((a) => a.data.length);
    for (const [from, to] of joinedRanges(counts)) {
      const part = arrays.slice(from, to);
      if (part.length === 1) {
        tensors.push(await this.upload('f32', part[0].dims, part[0].data));
        continue;
      }
      const total = counts.slice(from, to).reduce((a, b) => a + b, 0);
      const flat = new Float32Array(total);
      let at = 0;
      for (const { data } of part) {
        flat.set(data, at);
        at += data.length;
      }
      const key = `split ${part.map(({ dims }) => dims.join('x')).join(' ')}`;
      const session = await this.#session(key, 'gpu-buffer', () => this.#splitModel(part));
      const out = await this.#run('split', session, { x: new this.runtime.Tensor('float32', flat, [total]) });
      this.traffic.uploads++;
      this.traffic.uploadedBytes += flat.byteLength;
      part.forEach(({ data }, i) => {
        tensors.push(this.hold(out[`y${i}`], data.byteLength));
      });
    }
    return tensors;
  }

  #splitModel(arrays: readonly FloatArray[]): Uint8Array {
    const total = arrays.reduce((n, { data }) => n + data.length, 0);
    const x = makeInput('x', [total]);
    let at = 0;
    const outputs = new Map(
      arrays.map(({ dims, data }, i) => {
        const from = at;
        at += data.length;
        return [`y${i}`, reshape(slice(x, 0, from, at), [...dims])];
      }),
    );
    return lower(makeGraph('split', outputs), this.#target).bytes;
  }

  async download(dtype: DType, tensor: OrtTensor): Promise<HostArray> {
    const copy = () => encodeModel(anyRank('download', dtype, [node('Identity', ['x'], 'y')], ['x']));
    const session = await this.#session(`download ${dtype}`, 'cpu', copy);
    const { y } = await this.#run('download', session, { x: tensor });
    const data = y.data as HostArray | Float16Array;
    this.traffic.downloads++;
    this.traffic.downloadedBytes += data.byteLength;
    return data instanceof Float16Array
      ? new Uint16Array(data.buffer as ArrayBuffer, data.byteOffset, data.length)
      : data;
  }

  /** The values of f32 tensors, in one copy per JOINED_BYTES. */
  async downloadAll(
    tensors: readonly { dims: readonly number[]; tensor: OrtTensor }[],
  ): Promise<Float32Array[]> {
    const counts = tensors.map(({ dims }) => elementCount(dims));
    const values: Float32Array[] = [];
    for (const [from, to] of joinedRanges(counts)) {
      if (to - from === 1) {
        values.push((await this.download('f32', tensors[from].tensor)) as Float32Array);
        continue;
      }
      const names = Array.from({ length: to - from }, (_, i) => `x${i}`);
      const session = await this.#session(`join ${names.length}`, 'cpu', () => {
        const flats = names.map((n) => node('Reshape', [n, 'flat'], `${n}_flat`));
        const join = node(
          'Concat',
          names.map((n) => `${n}_flat`),
          'y',
          { axis: 0 },
        );
        return encodeModel(anyRank('join', 'f32', [...flats, join], names));
      });
      const feeds = Object.fromEntries(names.map((n, i) => [n, tensors[from + i].tensor]));
      const flat = (await this.#run('join', session, feeds)).y.data as Float32Array;
      this.traffic.downloads++;
      this.traffic.downloadedBytes += flat.byteLength;
      let at = 0;
      for (const count of counts.slice(from, to)) {
        values.push(flat.subarray(at, at + count));
        at += count;
      }
    }
    return values;
  }

  /** a + b of equal sizes, on the device. */
  async sum(a: OrtTensor, b: OrtTensor): Promise<OrtTensor> {
    const make = () => encodeModel(anyRank('sum', 'f32', [node('Add', ['a', 'b'], 'y')], ['a', 'b']));
    const { y } = await this.#run('sum', await this.#session('sum', 'gpu-buffer', make), { a, b });
    return this.hold(y, a.size * 4);
  }

  /** Frees every tensor and session. */
  async close(): Promise<void> {
    this.isClosed = true;
    for (const tensor of [...this.#held.keys()]) this.free(tensor);
    for (const session of this.#sessions.values()) await (await session).release();
    this.#sessions.clear();
  }
}
