// In: host arrays, or values that a graph left on the device. Out: tensors that are copied to the device at their first
// use, groups of them that are copied together, and sums that stay there until they are flushed.
import type { DType } from '../graph/op.ts';
import type { Accumulator, FloatArray, HostArray, ParameterGroup, Tensor } from './backend.ts';
import type { DeviceMemory } from './device-memory.ts';
import { ARRAY_OF, checkArray, disposedTensor, elementCount } from './host-tensor.ts';
import type { OrtTensor } from './ort-runtime.ts';

export class DeviceTensor implements Tensor {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly #memory: DeviceMemory;
  #host: HostArray | null;
  #device: Promise<OrtTensor> | null;
  #isDisposed = false;

  constructor(
    memory: DeviceMemory,
    dtype: DType,
    dims: readonly number[],
    value: { host: HostArray } | { device: OrtTensor },
  ) {
    this.dtype = dtype;
    this.dims = dims;
    this.#memory = memory;
    this.#host = 'host' in value ? value.host : null;
    this.#device = 'device' in value ? Promise.resolve(value.device) : null;
    if (this.#host) checkArray(dtype, dims, this.#host);
  }

  get byteLength(): number {
    this.#check();
    return elementCount(this.dims) * ARRAY_OF[this.dtype].BYTES_PER_ELEMENT;
  }

  #check(): void {
    if (this.#isDisposed || this.#memory.isClosed) throw disposedTensor(this.dtype, this.dims);
  }

  /** The value on the device, copied there now if it is not yet. */
  async resident(): Promise<OrtTensor> {
    this.#check();
    this.#device ??= this.#memory.upload(this.dtype, this.dims, this.#host as HostArray);
    return this.#device;
  }

  async read(): Promise<HostArray> {
    this.#check();
    return this.#host ?? this.#memory.download(this.dtype, await this.resident());
  }

  /** Whether `read` needs no copy. */
  get isOnHost(): boolean {
    return this.#host !== null;
  }

  /** Gives the value on the device away; the tensor counts as disposed from now on. */
  async release(): Promise<OrtTensor> {
    const device = await this.resident();
    this.#isDisposed = true;
    this.#host = null;
    return device;
  }

  dispose(): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#host = null;
    // A failed upload was reported by the run that asked for it.
    void this.#device?.then(
      (device) => this.#memory.free(device),
      () => {},
    );
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Arrays that are copied to the device together, again after each `changed`. */
export class DeviceGroup implements ParameterGroup {
  readonly tensors: readonly Tensor[];
  readonly #memory: DeviceMemory;
  readonly #arrays: readonly FloatArray[];
  #device: Promise<OrtTensor[]> | null = null;
  #isDisposed = false;

  constructor(memory: DeviceMemory, arrays: readonly FloatArray[]) {
    for (const { dims, data } of arrays) checkArray('f32', dims, data);
    this.#memory = memory;
    this.#arrays = arrays;
    this.tensors = arrays.map((_, i) => new GroupTensor(this, i));
  }

  array(i: number): FloatArray {
    if (this.#isDisposed || this.#memory.isClosed) throw disposedTensor('f32', this.#arrays[i].dims);
    return this.#arrays[i];
  }

  async resident(i: number): Promise<OrtTensor> {
    this.array(i);
    this.#device ??= this.#memory.uploadAll(this.#arrays);
    return (await this.#device)[i];
  }

  changed(): void {
    void this.#device?.then(
      (device) => {
        for (const tensor of device) this.#memory.free(tensor);
      },
      () => {},
    );
    this.#device = null;
  }

  dispose(): void {
    this.changed();
    this.#isDisposed = true;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** A member of a group; disposing it leaves the group as it is. */
class GroupTensor implements Tensor {
  readonly dtype = 'f32';
  readonly #group: DeviceGroup;
  readonly #index: number;
  #isDisposed = false;

  constructor(group: DeviceGroup, index: number) {
    this.#group = group;
    this.#index = index;
  }

  get #array(): FloatArray {
    const array = this.#group.array(this.#index);
    if (this.#isDisposed) throw disposedTensor('f32', array.dims);
    return array;
  }

  get dims(): readonly number[] {
    return this.#group.array(this.#index).dims;
  }

  get byteLength(): number {
    return this.#array.data.byteLength;
  }

  get isOnHost(): boolean {
    return true;
  }

  async resident(): Promise<OrtTensor> {
    return this.#array && this.#group.resident(this.#index);
  }

  async read(): Promise<HostArray> {
    return this.#array.data;
  }

  dispose(): void {
    this.#isDisposed = true;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Whatever a graph on the device can be fed with. */
export type Resident = Tensor & Pick<DeviceTensor, 'resident' | 'isOnHost'>;

export class DeviceSums implements Accumulator {
  readonly #memory: DeviceMemory;
  readonly #targets: readonly FloatArray[];
  readonly #sums: (OrtTensor | undefined)[] = [];

  constructor(memory: DeviceMemory, targets: readonly FloatArray[]) {
    this.#memory = memory;
    this.#targets = targets;
  }

  async add(i: number, tensor: Tensor): Promise<void> {
    const part = await (tensor as DeviceTensor).release();
    const sum = this.#sums[i];
    this.#sums[i] = sum ? await this.#memory.sum(sum, part) : part;
    if (!sum) return;
    this.#memory.free(sum);
    this.#memory.free(part);
  }

  async flush(): Promise<void> {
    const parts = this.#sums.flatMap((tensor, i) =>
      tensor ? [{ tensor, dims: this.#targets[i].dims, target: this.#targets[i].data }] : [],
    );
    const values = await this.#memory.downloadAll(parts);
    parts.forEach(({ target }, k) => {
      const value = values[k];
      for (let j = 0; j < target.length; j++) target[j] += value[j];
    });
    this.dispose();
  }

  dispose(): void {
    for (const tensor of this.#sums.splice(0)) if (tensor) this.#memory.free(tensor);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
