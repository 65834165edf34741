// In: lowered graphs and options. Out: ONNX Runtime's module and sessions, and its failures as EngineErrors. Shared by all
// backends that run on ONNX Runtime; tensors and their memory are left to each of them.
import { readFileSync } from 'node:fs';
import type * as Ort from 'onnxruntime-node';
import type { Lowered } from '../compile/lower.ts';
import { EngineError } from '../errors.ts';
import { evaluate } from '../graph/dim.ts';
import type { DType } from '../graph/op.ts';

export type Runtime = typeof Ort;
export type Session = Ort.InferenceSession;
export type OrtTensor = Ort.Tensor;
export type SessionOptions = Ort.InferenceSession.SessionOptions;

export const ORT_TYPE: Record<DType, string> = {
  f32: 'float32',
  f16: 'float16',
  i32: 'int32',
  i64: 'int64',
  u8: 'uint8',
};

export async function loadRuntime(backend: string): Promise<Runtime> {
  try {
    const module = await import('onnxruntime-node');
    return (module as unknown as { default?: Runtime }).default ?? module;
  } catch (cause) {
    throw new EngineError({
      code: 'ENGINE_BACKEND_UNAVAILABLE',
      message: `backend ${backend}: onnxruntime-node does not load on ${process.platform} ${process.arch}: ${(cause as Error).message}`,
      remedy: 'Run `npm ci` again on this machine, or choose `--backend reference` (slow, no native code).',
      cause,
    });
  }
}

/** Whether the installed package brings an execution provider inside. */
export function isBundled(runtime: Runtime, provider: string): boolean {
  const { listSupportedBackends } = runtime as unknown as {
    listSupportedBackends?: () => { name: string; bundled: boolean }[];
  };
  return listSupportedBackends?.().some((b) => b.name === provider && b.bundled) ?? false;
}

/** Where the runtime's native libraries lie. */
export function runtimeFolder(): URL {
  return new URL(
    `bin/napi-v6/${process.platform}/${process.arch}/`,
    import.meta.resolve('onnxruntime-node/package.json'),
  );
}

/** The runtime's own script that fetches what npm does not bring; ONNXRUNTIME_NODE_INSTALL says what. */
export function runtimeInstaller(): URL {
  return new URL('script/install.js', import.meta.resolve('onnxruntime-node/package.json'));
}

/** The runtime's version, without loading native code. */
export function runtimeVersion(): string {
  const path = new URL(import.meta.resolve('onnxruntime-node/package.json'));
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
}

export async function openSession(
  runtime: Runtime,
  graph: string,
  bytes: Uint8Array,
  options: SessionOptions,
): Promise<Session> {
  try {
    return await runtime.InferenceSession.create(bytes, { logSeverityLevel: 3, ...options });
  } catch (cause) {
    throw new EngineError({
      code: 'ENGINE_COMPILE_FAILED',
      message: `graph ${graph} is refused by the runtime: ${(cause as Error).message}`,
      remedy: 'Run the same graph on the reference backend, and report the message.',
      cause,
    });
  }
}

export function runFailed(name: string, cause: unknown): EngineError {
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

export function disposedGraph(name: string): EngineError {
  return new EngineError({
    code: 'ENGINE_USE_AFTER_DISPOSE',
    message: `graph ${name} was run after it had been disposed`,
    remedy: 'Dispose an executable only after its last run.',
  });
}

/** The inputs of a lowered graph that carry sizes; they stay on the host. */
export function sizeFeeds(
  runtime: Runtime,
  { shapeInputs, sizeInputs }: Pick<Lowered, 'shapeInputs' | 'sizeInputs'>,
  bindings: ReadonlyMap<string, number>,
): Record<string, OrtTensor> {
  const feeds: Record<string, OrtTensor> = {};
  for (const { name, dims } of shapeInputs) {
    const sizes = BigInt64Array.from(dims, (d) => BigInt(evaluate(d, bindings)));
    feeds[name] = new runtime.Tensor('int64', sizes, [sizes.length]);
  }
  for (const { name, dim } of sizeInputs)
    feeds[name] = new runtime.Tensor('float32', Float32Array.of(evaluate(dim, bindings)), []);
  return feeds;
}
