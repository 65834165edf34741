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
  compile(graph: Graph): Promise<Executable>;
  /** Wraps host memory. A CPU backend shares it: later writes to `data` are seen by the next run. */
  tensor(dtype: DType, dims: readonly number[], data: HostArray): Tensor;
  /** Bytes that free buffers may keep for the next run; what is above goes back to the system. */
  trim(keepBytes: number): void;
  /** Releases every executable that this backend compiled. */
  dispose(): Promise<void>;
}
