// In: a dtype, sizes and host memory. Out: a Tensor whose memory is that array, with use-after-dispose checks. The checks
// are shared with tensors that live on a device.
import { EngineError } from '../errors.ts';
import type { DType } from '../graph/op.ts';
import type { HostArray, Tensor } from './backend.ts';

type ArrayType = {
  BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBuffer, byteOffset: number, length: number): HostArray;
};
export const ARRAY_OF: Record<DType, ArrayType> = {
  f32: Float32Array,
  f16: Uint16Array,
  i32: Int32Array,
  i64: BigInt64Array,
  u8: Uint8Array,
};

export function elementCount(dims: readonly number[]): number {
  return dims.reduce((product, d) => product * d, 1);
}

export function checkArray(dtype: DType, dims: readonly number[], data: HostArray): void {
  const expected = ARRAY_OF[dtype];
  if (data instanceof expected && data.length === elementCount(dims)) return;
  throw new EngineError({
    code: 'ENGINE_BAD_SHAPE',
    message: `tensor ${dtype}[${dims.join(', ')}]: expected ${elementCount(dims)} elements in a ${expected.name}, found ${data.length} in a ${data.constructor.name}`,
    remedy: 'Pass an array of the type and length that dtype and sizes call for.',
  });
}

export function disposedTensor(dtype: DType, dims: readonly number[]): EngineError {
  return new EngineError({
    code: 'ENGINE_USE_AFTER_DISPOSE',
    message: `a tensor ${dtype}[${dims.join(', ')}] was used after it had been disposed`,
    remedy: 'Keep the tensor until its last use, and dispose it once.',
  });
}

export class HostTensor implements Tensor {
  readonly dtype: DType;
  readonly dims: readonly number[];
  #data: HostArray | null;
  readonly #release: ((buffer: ArrayBuffer) => void) | undefined;

  /** `release` gets the buffer back when the tensor is disposed. */
  constructor(
    dtype: DType,
    dims: readonly number[],
    data: HostArray,
    release?: (buffer: ArrayBuffer) => void,
  ) {
    checkArray(dtype, dims, data);
    this.dtype = dtype;
    this.dims = dims;
    this.#data = data;
    this.#release = release;
  }

  get byteLength(): number {
    return this.data.byteLength;
  }

  get data(): HostArray {
    if (this.#data) return this.#data;
    throw disposedTensor(this.dtype, this.dims);
  }

  read(): Promise<HostArray> {
    return Promise.resolve(this.data);
  }

  dispose(): void {
    if (this.#data) this.#release?.(this.#data.buffer as ArrayBuffer);
    this.#data = null;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
