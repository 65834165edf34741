// In: nothing. Out: what every execution backend offers: compile a graph, hold tensors, run. Values stay where the backend
// computes; only `read` brings them to the host. No registry here, so that no backend is loaded before it is chosen.
import type { Dim } from '../graph/dim.ts';
import type { Graph } from '../graph/node.ts';
import type { DType } from '../graph/op.ts';

/** Host memory of a tensor: f16 as raw 16-bit patterns. */
export type HostArray = Float32Array | Uint16Array | Int32Array | BigInt64Array | Uint8Array;

/** A value at a backend. Disposing frees it; any use after that is ENGINE_USE_AFTER_DISPOSE. */
export interface Tensor extends Disposable {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly byteLength: number;
  /** The values on the host. On a CPU backend this is the tensor's own memory, not a copy. */
  read(): Promise<HostArray>;
  dispose(): void;
}

/** Host arrays that change together, such as adapters after an optimiser step. */
export interface ParameterGroup extends Disposable {
  /** One tensor per array, in order. */
  readonly tensors: readonly Tensor[];
  /** Says that the arrays have changed: the next run sees the new values, which a device takes in one copy. */
  changed(): void;
  dispose(): void;
}

/** Sums of f32 tensors, kept where the backend computes until they are flushed. */
export interface Accumulator extends Disposable {
  /** Adds `tensor` to sum `i` and disposes it. */
  add(i: number, tensor: Tensor): Promise<void>;
  /** Adds the sums to their host arrays, in one copy from a device, and sets them to zero. */
  flush(): Promise<void>;
  /** Forgets what was added since the last flush. */
  dispose(): void;
}

/** Copies between host and device since the backend was opened, and what the device holds. All 0 on a CPU. */
export interface DeviceTraffic {
  uploads: number;
  uploadedBytes: number;
  downloads: number;
  downloadedBytes: number;
  /** Tensors that have device memory now. */
  residentTensors: number;
  residentBytes: number;
}

export interface FloatArray {
  dims: readonly number[];
  data: Float32Array;
}

/** A compiled graph. One executable serves every size of its symbolic dimensions. */
export interface Executable extends AsyncDisposable {
  readonly name: string;
  readonly inputs: readonly { name: string; shape: readonly Dim[]; dtype: DType }[];
  readonly outputs: readonly string[];
  /** Runs with one tensor per input (more are ignored). The outputs are new tensors, which the caller disposes. */
  run(feeds: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>>;
  /**
   * Gives scratch memory that the runtime holds for this graph back to the system. The next run takes it anew, which
   * costs about as much as compiling.
   */
  shrink(): Promise<void>;
  dispose(): Promise<void>;
}

export interface Backend extends AsyncDisposable {
  readonly name: string;
  /** Whether f16 rests as f16; a device without 16-bit floats holds such tensors as f32, in twice the memory. */
  readonly hasHalfFloats: boolean;
  compile(graph: Graph): Promise<Executable>;
  /**
   * Wraps host memory. A CPU backend shares it: later writes to `data` are seen by the next run. A device copies it at the
   * first run and never looks again; memory that changes belongs into `parameters`.
   */
  tensor(dtype: DType, dims: readonly number[], data: HostArray): Tensor;
  parameters(arrays: readonly FloatArray[]): ParameterGroup;
  accumulator(targets: readonly FloatArray[]): Accumulator;
  /** The values of several tensors on the host, in one copy from a device. On a CPU it is the tensors' own memory. */
  readAll(tensors: readonly Tensor[]): Promise<HostArray[]>;
  readonly traffic: Readonly<DeviceTraffic>;
  /** Bytes that free buffers may keep for the next run; what is above goes back to the system. */
  trim(keepBytes: number): void;
  /** Releases every executable that this backend compiled. */
  dispose(): Promise<void>;
}
