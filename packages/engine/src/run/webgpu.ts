// In: graphs and host memory. Out: results computed by ONNX Runtime's WebGPU provider, which stay on the device until they
// are read. Graphs run on the device as a whole or not at all: nothing falls back to the CPU unseen.
import { lower } from '../compile/lower.ts';
import { encodeModel } from '../compile/proto.ts';
import { simplify } from '../compile/simplify.ts';
import type { Target } from '../compile/target.ts';
import { EngineError } from '../errors.ts';
import { evaluate } from '../graph/dim.ts';
import type { Graph } from '../graph/node.ts';
import type { DType } from '../graph/op.ts';
import type {
  Accumulator,
  Backend,
  DeviceTraffic,
  Executable,
  FloatArray,
  HostArray,
  ParameterGroup,
  Tensor,
} from './backend.ts';
import { DeviceMemory } from './device-memory.ts';
import { DeviceGroup, DeviceSums, DeviceTensor, type Resident } from './device-tensor.ts';
import { bindFeeds } from './feeds.ts';
import { ARRAY_OF, elementCount } from './host-tensor.ts';
import {
  disposedGraph,
  isBundled,
  loadRuntime,
  type OrtTensor,
  openSession,
  type Runtime,
  runFailed,
  type Session,
  type SessionOptions,
  sizeFeeds,
} from './ort-runtime.ts';

const OPTIONS: SessionOptions = { executionProviders: ['webgpu'], logSeverityLevel: 4 };
const WHOLE: SessionOptions = { ...OPTIONS, extra: { session: { disable_cpu_ep_fallback: '1' } } };

class DeviceExecutable implements Executable {
  readonly name: string;
  readonly inputs: Executable['inputs'];
  readonly outputs: readonly string[];
  readonly #memory: DeviceMemory;
  readonly #lowered: ReturnType<typeof lower>;
  #session: Session | null;

  constructor(name: string, memory: DeviceMemory, lowered: ReturnType<typeof lower>, session: Session) {
    this.name = name;
    this.inputs = lowered.inputs.map((n) => ({ name: n.attrs.name, shape: n.shape, dtype: n.dtype }));
    this.outputs = lowered.outputs.map((o) => o.name);
    this.#memory = memory;
    this.#lowered = lowered;
    this.#session = session;
  }

  async run(feeds: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>> {
    const session = this.#session;
    if (!session) throw disposedGraph(this.name);
    const memory = this.#memory;
    const { inputs, outputs } = this.#lowered;
    const bindings = bindFeeds(this.name, inputs, feeds);
    const values = sizeFeeds(memory.runtime, this.#lowered, bindings);
    for (const { attrs } of inputs) values[attrs.name] = await (feeds[attrs.name] as Resident).resident();
    let results: Record<string, OrtTensor>;
    try {
      results = (await session.run(values)) as Record<string, OrtTensor>;
    } catch (cause) {
      throw runFailed(this.name, cause);
    }
    return Object.fromEntries(
      outputs.map(({ name, node }) => {
        const dims = node.shape.map((d) => evaluate(d, bindings));
        const bytes = elementCount(dims) * ARRAY_OF[node.dtype].BYTES_PER_ELEMENT;
        const device = memory.hold(results[name], bytes);
        return [name, new DeviceTensor(memory, node.dtype, dims, { device })];
      }),
    );
  }

  /** Scratch is shared by all graphs of a device, so there is none to give back. */
  async shrink(): Promise<void> {}

  async dispose(): Promise<void> {
    const session = this.#session;
    this.#session = null;
    await session?.release();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

class WebGpuBackend implements Backend {
  readonly name = 'webgpu';
  readonly hasHalfFloats: boolean;
  readonly #target: Target;
  readonly #memory: DeviceMemory;
  readonly #executables = new Set<DeviceExecutable>();

  constructor(runtime: Runtime, halfFloats: boolean) {
    this.hasHalfFloats = halfFloats;
    this.#target = { provider: 'webgpu', halfFloats };
    this.#memory = new DeviceMemory(runtime, this.#target, OPTIONS);
  }

  get traffic(): Readonly<DeviceTraffic> {
    return this.#memory.traffic;
  }

  async compile(graph: Graph): Promise<Executable> {
    const lowered = lower(simplify(graph), this.#target);
    const options: SessionOptions = { ...WHOLE, preferredOutputLocation: 'gpu-buffer' };
    const session = await openSession(this.#memory.runtime, graph.name, lowered.bytes, options);
    const executable = new DeviceExecutable(graph.name, this.#memory, lowered, session);
    this.#executables.add(executable);
    return executable;
  }

  tensor(dtype: DType, dims: readonly number[], data: HostArray): Tensor {
    return new DeviceTensor(this.#memory, dtype, dims, { host: data });
  }

  parameters(arrays: readonly FloatArray[]): ParameterGroup {
    return new DeviceGroup(this.#memory, arrays);
  }

  accumulator(targets: readonly FloatArray[]): Accumulator {
    return new DeviceSums(this.#memory, targets);
  }

  async readAll(tensors: readonly Tensor[]): Promise<HostArray[]> {
    const values: HostArray[] = new Array(tensors.length);
    const joined: { at: number; dims: readonly number[]; tensor: OrtTensor }[] = [];
    for (const [at, t] of (tensors as Resident[]).entries()) {
      if (t.dtype === 'f32' && !t.isOnHost) joined.push({ at, dims: t.dims, tensor: await t.resident() });
      else values[at] = await t.read();
    }
    const read = await this.#memory.downloadAll(joined);
    joined.forEach(({ at }, i) => {
      values[at] = read[i];
    });
    return values;
  }

  /** The runtime keeps one pool of device buffers, which it does not let go of. */
  trim(): void {}

  async dispose(): Promise<void> {
    for (const executable of this.#executables) await executable.dispose();
    this.#executables.clear();
    await this.#memory.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

function unavailable(reason: string, cause?: unknown): EngineError {
  const driver =
    process.platform === 'linux'
      ? "Install the Vulkan loader (libvulkan1) and your GPU's Vulkan driver, or set VK_DRIVER_FILES to the file of a software driver, or set backend to cpu."
      : "Update the GPU's driver, or set backend to cpu.";
  return new EngineError({
    code: 'ENGINE_BACKEND_UNAVAILABLE',
    message: `backend webgpu: ${reason}`,
    remedy: driver,
    cause,
  });
}

/** Whether a cast from f16 runs; throws where no device answers. */
async function probeHalfFloats(runtime: Runtime): Promise<boolean> {
  const bytes = encodeModel({
    name: 'probe',
    nodes: [{ op: 'Cast', domain: '', inputs: ['x'], outputs: ['y'], attributes: { to: 1 } }],
    inputs: [{ name: 'x', type: 'f16', dims: [1] }],
    outputs: [{ name: 'y', type: 'f32', dims: [1] }],
    constants: [],
  });
  let session: Session;
  try {
    session = await runtime.InferenceSession.create(bytes, OPTIONS);
  } catch (cause) {
    const text = (cause as Error).message;
    const adapter = /Failed to get a WebGPU adapter: (.*)/.exec(text);
    throw unavailable(adapter ? `no GPU driver answers (${adapter[1].trim()})` : text, cause);
  }
  try {
    const one = { type: 'float16', data: Uint16Array.of(0x3c00), dims: [1], location: 'cpu' };
    const { y } = await session.run({ x: one as unknown as OrtTensor });
    return (y.data as Float32Array)[0] === 1;
  } catch (cause) {
    // The runtime says so when the device lacks the feature; anything else is a broken driver.
    if (/f16/.test((cause as Error).message)) return false;
    throw unavailable((cause as Error).message, cause);
  } finally {
    await session.release();
  }
}

export async function openWebGpuBackend(): Promise<Backend> {
  const runtime = await loadRuntime('webgpu');
  if (!isBundled(runtime, 'webgpu'))
    throw new EngineError({
      code: 'ENGINE_BACKEND_UNAVAILABLE',
      message: `backend webgpu: onnxruntime-node has no WebGPU provider for ${process.platform} ${process.arch}`,
      remedy: 'Set backend to cpu, or use Linux x64, macOS or Windows.',
    });
  return new WebGpuBackend(runtime, await probeHalfFloats(runtime));
}
