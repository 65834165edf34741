// In: graphs and host memory. Out: results computed by ONNX Runtime's CPU provider. Graphs are simplified and lowered to
// ONNX bytes here; nothing is kept on disk. Other execution providers are not handled in this file.
import { readFileSync } from 'node:fs';
import type * as Ort from 'onnxruntime-node';
import { lower } from '../compile/lower.ts';
import { simplify } from '../compile/simplify.ts';
import { EngineError } from '../errors.ts';
import { evaluate } from '../graph/dim.ts';
import type { Graph } from '../graph/node.ts';
import type { DType } from '../graph/op.ts';
import type { Backend, Executable, HostArray, Tensor } from './backend.ts';
import { BufferPool } from './buffer-pool.ts';
import { bindFeeds } from './feeds.ts';
import { ARRAY_OF, elementCount, HostTensor } from './host-tensor.ts';

export interface CpuBackendOptions {
  /** Threads of one operator; 0 lets the runtime choose (one per physical core). */
  threads?: number;
  /** Prefix of a runtime profile (JSON) per executable, for finding out where time goes. */
  profilePrefix?: string;
}

const ORT_TYPE: Record<DType, string> = {
  f32: 'float32',
  f16: 'float16',
  i32: 'int32',
  i64: 'int64',
  u8: 'uint8',
};

async function loadRuntime(): Promise<typeof Ort> {
  try {
    const module = await import('onnxruntime-node');
    return (module as unknown as { default?: typeof Ort }).default ?? module;
  } catch (cause) {
    throw new EngineError({
      code: 'ENGINE_BACKEND_UNAVAILABLE',
      message: `backend cpu: onnxruntime-node does not load on ${process.platform} ${process.arch}: ${(cause as Error).message}`,
      remedy: 'Run `npm ci` again on this machine, or choose `--backend reference` (slow, no native code).',
      cause,
    });
  }
}

function runFailed(name: string, cause: unknown): EngineError {
  const text = (cause as Error).message ?? String(cause);
  const memory = /alloc|memory/i.test(text);
  return new EngineError({
    code: memory ? 'ENGINE_OUT_OF_MEMORY' : 'ENGINE_RUN_FAILED',
    message: `graph ${name} failed in the runtime: ${text}`,
    remedy: memory
      ? 'Lower per_device_train_batch_size or cutoff_len, or free memory on this machine.'
      : 'Run the same graph on the reference backend to see which operation is wrong, and report it.',
    cause,
  });
}

// Where Float16Array exists, ort.Tensor makes one of a Uint16Array and the native side then reads no bytes. A plain
// object with the same fields is taken as it is.
const toOrt = (t: HostTensor): Ort.Tensor =>
  ({ type: ORT_TYPE[t.dtype], data: t.data, dims: t.dims, location: 'cpu' }) as unknown as Ort.Tensor;

class OrtExecutable implements Executable {
  readonly name: string;
  readonly inputs: Executable['inputs'];
  readonly outputs: readonly string[];
  readonly #runtime: typeof Ort;
  readonly #lowered: ReturnType<typeof lower>;
  readonly #pool: BufferPool;
  readonly #open: () => Promise<Ort.InferenceSession>;
  #session: Ort.InferenceSession | null;
  #isDisposed = false;

  constructor(
    name: string,
    runtime: typeof Ort,
    lowered: ReturnType<typeof lower>,
    pool: BufferPool,
    open: () => Promise<Ort.InferenceSession>,
    session: Ort.InferenceSession,
  ) {
    this.name = name;
    this.inputs = lowered.inputs.map((n) => ({ name: n.attrs.name, shape: n.shape, dtype: n.dtype }));
    this.outputs = lowered.outputs.map((o) => o.name);
    this.#runtime = runtime;
    this.#lowered = lowered;
    this.#pool = pool;
    this.#open = open;
    this.#session = session;
  }

  async run(feeds: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>> {
    if (this.#isDisposed)
      throw new EngineError({
        code: 'ENGINE_USE_AFTER_DISPOSE',
        message: `graph ${this.name} was run after it had been disposed`,
        remedy: 'Dispose an executable only after its last run.',
      });
    this.#session ??= await this.#open();
    const session = this.#session;
    const { inputs, outputs, shapeInputs } = this.#lowered;
    const bindings = bindFeeds(this.name, inputs, feeds);
    const values: Record<string, Ort.Tensor> = {};
    for (const { attrs } of inputs) values[attrs.name] = toOrt(feeds[attrs.name] as HostTensor);
    for (const { name, dims } of shapeInputs) {
      const sizes = BigInt64Array.from(dims, (d) => BigInt(evaluate(d, bindings)));
      values[name] = new this.#runtime.Tensor('int64', sizes, [sizes.length]);
    }
    const out: Record<string, HostTensor> = {};
    const fetches: Record<string, Ort.Tensor> = {};
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
      await session.run(values, fetches);
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

class CpuBackend implements Backend {
  readonly name = 'cpu';
  readonly #runtime: typeof Ort;
  readonly #options: CpuBackendOptions;
  readonly #executables = new Set<OrtExecutable>();
  readonly #pool = new BufferPool();

  constructor(runtime: typeof Ort, options: CpuBackendOptions) {
    this.#runtime = runtime;
    this.#options = options;
  }

  async compile(graph: Graph): Promise<Executable> {
    const lowered = lower(simplify(graph));
    const { threads = 0, profilePrefix } = this.#options;
    const open = async (): Promise<Ort.InferenceSession> => {
      try {
        return await this.#runtime.InferenceSession.create(lowered.bytes, {
          executionProviders: ['cpu'],
          intraOpNumThreads: threads,
          interOpNumThreads: 1,
          executionMode: 'sequential',
          graphOptimizationLevel: 'all',
          // A pattern is kept per combination of sizes; with a new length in every batch they only fill memory.
          enableMemPattern: false,
          logSeverityLevel: 3,
          ...(profilePrefix
            ? { enableProfiling: true, profileFilePrefix: `${profilePrefix}_${graph.name}` }
            : {}),
        });
      } catch (cause) {
        throw new EngineError({
          code: 'ENGINE_COMPILE_FAILED',
          message: `graph ${graph.name} is refused by the runtime: ${(cause as Error).message}`,
          remedy: 'Run the same graph on the reference backend, and report the message.',
          cause,
        });
      }
    };
    const executable = new OrtExecutable(graph.name, this.#runtime, lowered, this.#pool, open, await open());
    this.#executables.add(executable);
    return executable;
  }

  tensor(dtype: DType, dims: readonly number[], data: HostArray): Tensor {
    return new HostTensor(dtype, dims, data);
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

export async function openCpuBackend(options: CpuBackendOptions = {}): Promise<Backend> {
  return new CpuBackend(await loadRuntime(), options);
}

/** The runtime's version, without loading native code. */
export function runtimeVersion(): string {
  const path = new URL(import.meta.resolve('onnxruntime-node/package.json'));
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
}
