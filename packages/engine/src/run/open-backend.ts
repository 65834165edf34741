// In: a backend's name. Out: the backend, loaded only now; or an error that says which ones there are.
import { EngineError } from '../errors.ts';
import type { Backend } from './backend.ts';
import type { BackendOptions } from './onnxruntime.ts';

const OPENERS: Record<string, (options: BackendOptions) => Promise<Backend>> = {
  cpu: async (options) => (await import('./onnxruntime.ts')).openCpuBackend(options),
  webgpu: async () => (await import('./webgpu.ts')).openWebGpuBackend(),
  cuda: async (options) => (await import('./onnxruntime.ts')).openCudaBackend(options),
  reference: async () => (await import('./reference-backend.ts')).openReferenceBackend(),
};

export async function openBackend(name: string, options: BackendOptions = {}): Promise<Backend> {
  const open = Object.hasOwn(OPENERS, name) ? OPENERS[name] : undefined;
  if (open) return open(options);
  throw new EngineError({
    code: 'ENGINE_UNKNOWN_BACKEND',
    message: `backend ${name}: expected one of ${Object.keys(OPENERS).join(', ')}`,
    remedy: 'Set backend to cpu or webgpu, or to reference to check results without native code.',
  });
}
