// In: host arrays. Out: the tensors, parameter groups and sums of backends that compute in host memory, where nothing is
// ever copied. Compiling and running are left to the backends that extend this.
import type { DType } from '../graph/op.ts';
import type { Accumulator, DeviceTraffic, FloatArray, HostArray, ParameterGroup, Tensor } from './backend.ts';
import { HostTensor } from './host-tensor.ts';

export class HostMemory {
  readonly hasHalfFloats: boolean = true;
  readonly traffic: Readonly<DeviceTraffic> = {
    uploads: 0,
    uploadedBytes: 0,
    downloads: 0,
    downloadedBytes: 0,
    residentTensors: 0,
    residentBytes: 0,
  };

  tensor(dtype: DType, dims: readonly number[], data: HostArray): Tensor {
    return new HostTensor(dtype, dims, data);
  }

  parameters(arrays: readonly FloatArray[]): ParameterGroup {
    const tensors = arrays.map(({ dims, data }) => this.tensor('f32', dims, data));
    const dispose = () => {
      for (const t of tensors) t.dispose();
    };
    return { tensors, changed: () => {}, dispose, [Symbol.dispose]: dispose };
  }

  accumulator(targets: readonly FloatArray[]): Accumulator {
    return {
      // Added at once: to keep the tensors until a flush would double the memory of gradients.
      add: async (i, tensor) => {
        const sum = targets[i].data;
        const part = (await tensor.read()) as Float32Array;
        for (let j = 0; j < sum.length; j++) sum[j] += part[j];
        tensor.dispose();
      },
      flush: async () => {},
      dispose: () => {},
      [Symbol.dispose]: () => {},
    };
  }

  readAll(tensors: readonly Tensor[]): Promise<HostArray[]> {
    return Promise.all(tensors.map((t) => t.read()));
  }
}
