// In: a backend's name. Out: the backend, loaded only now; or an error that says which ones there are.
import { EngineError } from '../errors.ts';
import type { Backend } from './backend.ts';
import type { CpuBackendOptions } from './onnxruntime.ts';

const OPENERS: Record<string, (options: CpuBackendOptions) => Promise<Backend>> = {
  cpu: async (options) => (await import('./onnxruntime.ts')).openCpuBackend(options),
  reference: async () => (await import('./reference-backend.ts')).openReferenceBackend(),
};

export async function openBackend(name: string, options: CpuBackendOptions = {}): Promise<Backend> {
  const open = Object.hasOwn(OPENERS, name) ? OPENERS[name] : undefined;
  if (open) return open(options);
  throw new EngineError({
    code: 'ENGINE_UNKNOWN_BACKEND',
    message: `backend ${name}: expected one of ${Object.keys(OPENERS).join(', ')}`,
    remedy: 'Set backend to cpu, or to reference to check results without native code.',
  });
}
