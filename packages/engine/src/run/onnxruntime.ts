// In: graphs and host memory. Out: results computed by a provider of ONNX Runtime that takes host memory: the CPU, or CUDA,
// which copies every input of a run to the device itself. Graphs are simplified and lowered to ONNX bytes here; nothing is
// kept on disk. Device-resident tensors are in webgpu.ts.
import { existsSync } from 'node:fs';
import { lower } from '../compile/lower.ts';
import { simplify } from '../compile/simplify.ts';
import { EngineError } from '../errors.ts';
import { constant } from '../graph/build.ts';
import { evaluate } from '../graph/dim.ts';
import { type Graph, makeGraph } from '../graph/node.ts';
import type { Backend, Executable, Tensor } from './backend.ts';
import { BufferPool } from './buffer-pool.ts';
import { bindFeeds } from './feeds.ts';
import { HostMemory } from './host-memory.ts';
import { ARRAY_OF, elementCount, HostTensor } from './host-tensor.ts';
import {
  disposedGraph,
  loadRuntime,
  ORT_TYPE,
  type OrtTensor,
  openSession,
  type Runtime,
  runFailed,
  runtimeFolder,
  type Session,
  sizeFeeds,
} from './ort-runtime.ts';
import { canRunInPlace, runInPlace } from './outputs-in-place.ts';

export interface BackendOptions {
  /** Threads of one operator; 0 lets the runtime choose (one per physical core). */
  threads?: number;
  /** Prefix of a runtime profile (JSON) per executable, for finding out where time goes. */
  profilePrefix?: string;
}

// Where Float16Array exists, ort.Tensor makes one of a Uint16Array and the native side then reads no bytes. A plain
// object with the same fields is taken as it is.
const toOrt = (t: HostTensor): OrtTensor =>
  ({ type: ORT_TYPE[t.dtype], data: t.data, dims: t.dims, location: 'cpu' }) as unknown as OrtTensor;

/** Detaching frees the binding's copies now; the garbage collector would do it some hundreds of megabytes later. */
function discard(copies: Readonly<Record<string, OrtTensor>>): void {
  for (const { data } of Object.values(copies)) ((data as Float32Array).buffer as ArrayBuffer).transfer(0);
}

class OrtExecutable implements Executable {
  readonly name: string;
  readonly inputs: Executable['inputs'];
  readonly outputs: readonly string[];
  readonly #runtime: Runtime;
  readonly #lowered: ReturnType<typeof lower>;
  readonly #pool: BufferPool;
  readonly #halts: boolean;
  readonly #open: () => Promise<Session>;
  #session: Session | null;
  #isDisposed = false;

  constructor(
    name: string,
    runtime: Runtime,
    lowered: ReturnType<typeof lower>,
    pool: BufferPool,
    halts: boolean,
    open: () => Promise<Session>,
    session: Session,
  ) {
    this.name = name;
    this.inputs = lowered.inputs.map((n) => ({ name: n.attrs.name, shape: n.shape, dtype: n.dtype }));
    this.outputs = lowered.outputs.map((o) => o.name);
    this.#runtime = runtime;
    this.#lowered = lowered;
    this.#pool = pool;
    this.#halts = halts;
    this.#open = open;
    this.#session = session;
  }

  async run(feeds: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>> {
    if (this.#isDisposed) throw disposedGraph(this.name);
    this.#session ??= await this.#open();
    const session = this.#session;
    const { inputs, outputs } = this.#lowered;
    const bindings = bindFeeds(this.name, inputs, feeds);
    const values: Record<string, OrtTensor> = {};
    for (const { attrs } of inputs) values[attrs.name] = toOrt(feeds[attrs.name] as HostTensor);
    Object.assign(values, sizeFeeds(this.#runtime, this.#lowered, bindings));
    const out: Record<string, HostTensor> = {};
    const fetches: Record<string, OrtTensor> = {};
    for (const { name, node } of outputs) {
      const dims = node.shape.map((d) => evaluate(d, bindings));
      const count = elementCount(dims);
      const ArrayType = ARRAY_OF[node.dtype];
      const data = new ArrayType(this.#pool.take(count * ArrayType.BYTES_PER_ELEMENT), 0, count);
      out[name] = new HostTensor(node.dtype, dims, data, (buffer) => this.#pool.give(buffer));
      // Outputs must be of the runtime's own class; f16 never leaves a graph.
      fetches[name] = new this.#runtime.Tensor(ORT_TYPE[node.dtype] as 'float32', data as Float32Array, dims);
    }
    try {
      if (this.#halts) await runInPlace(session, values, fetches);
      else discard(await session.run(values, fetches));
    } catch (cause) {
      for (const tensor of Object.values(out)) tensor.dispose();
      throw runFailed(this.name, cause);
    }
    return out;
  }

  /** The runtime keeps an arena per session, and has no other way to empty it from here. */
  async shrink(): Promise<void> {
    const session = this.#session;
    this.#session = null;
    await session?.release();
  }

  async dispose(): Promise<void> {
    this.#isDisposed = true;
    await this.shrink();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

class OrtBackend extends HostMemory implements Backend {
  readonly name: 'cpu' | 'cuda';
  readonly #runtime: Runtime;
  readonly #options: BackendOptions;
  readonly #executables = new Set<OrtExecutable>();
  readonly #pool = new BufferPool();

  constructor(name: 'cpu' | 'cuda', runtime: Runtime, options: BackendOptions) {
    super();
    this.name = name;
    this.#runtime = runtime;
    this.#options = options;
  }

  async compile(graph: Graph): Promise<Executable> {
    const halts = this.name === 'cpu' && (await canRunInPlace(this.#runtime));
    const lowered = lower(simplify(graph), { provider: this.name, halfFloats: true, halts });
    const { threads = 0, profilePrefix } = this.#options;
    const open = () =>
      openSession(this.#runtime, graph.name, lowered.bytes, {
        // The runtime gives cpu what cuda has no kernel for: sizes of shapes, and nothing else in our graphs.
        executionProviders: this.name === 'cpu' ? ['cpu'] : ['cuda', 'cpu'],
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        executionMode: 'sequential',
        graphOptimizationLevel: 'all',
        // A pattern is kept per combination of sizes; with a new length in every batch they only fill memory.
        enableMemPattern: false,
        // Every graph has threads of its own. Unless they stop spinning after a run they take the next graph's time.
        // Slices that become one Split run before all else, and what other outputs wait for stays in memory meanwhile.
        extra: {
          session: { force_spinning_stop: '1' },
          optimization: { disable_specified_optimizers: 'GatherSliceToSplitFusion' },
        },
        ...(profilePrefix
          ? { enableProfiling: true, profileFilePrefix: `${profilePrefix}_${graph.name}` }
          : {}),
      });
    const executable = new OrtExecutable(
      graph.name,
      this.#runtime,
      lowered,
      this.#pool,
      halts,
      open,
      await open(),
    );
    this.#executables.add(executable);
    return executable;
  }

  trim(keepBytes: number): void {
    this.#pool.trim(keepBytes);
  }

  async dispose(): Promise<void> {
    this.#pool.trim(0);
    for (const executable of this.#executables) await executable.dispose();
    this.#executables.clear();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

export async function openCpuBackend(options: BackendOptions = {}): Promise<Backend> {
  return new OrtBackend('cpu', await loadRuntime('cpu'), options);
}

const NO_CUDA: Readonly<Record<'platform' | 'libraries' | 'driver', string>> = {
  platform: 'Set backend to webgpu or cpu: ONNX Runtime has CUDA libraries for Node only on Linux x64.',
  libraries: 'Run `tunesmith setup cuda`, which fetches them, or set backend to webgpu or cpu.',
  driver:
    'Install the NVIDIA driver, the CUDA 12 runtime and cuDNN 9, and run `tunesmith setup cuda` to check them.',
};

/** CUDA for who has its libraries. Every run copies its inputs to the device: the Node binding knows no CUDA tensors. */
export async function openCudaBackend(options: BackendOptions = {}): Promise<Backend> {
  const runtime = await loadRuntime('cuda');
  const unavailable = (reason: string, lack: keyof typeof NO_CUDA, cause?: unknown) =>
    new EngineError({
      code: 'ENGINE_BACKEND_UNAVAILABLE',
      message: `backend cuda: ${reason}`,
      remedy: NO_CUDA[lack],
      cause,
    });
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw unavailable(`not available on ${process.platform} ${process.arch}`, 'platform');
  const library = new URL('libonnxruntime_providers_cuda.so', runtimeFolder());
  if (!existsSync(library))
    throw unavailable(
      `the libraries of the CUDA provider are not installed: ${library.pathname} is missing`,
      'libraries',
    );
  const backend = new OrtBackend('cuda', runtime, options);
  try {
    const probe = await backend.compile(makeGraph('probe', { one: constant(1) }));
    await probe.dispose();
  } catch (cause) {
    await backend.dispose();
    throw unavailable((cause as Error).message, 'driver', cause);
  }
  return backend;
}
