// In: nothing. Out: for tests: whether a WebGPU device answers here, and a name for suites that says so when it does not.
import { type EngineError, openBackend } from '@tunesmith/engine';

async function missingDriver(): Promise<string | null> {
  try {
    await (await openBackend('webgpu')).dispose();
    return null;
  } catch (error) {
    if ((error as EngineError).code !== 'ENGINE_BACKEND_UNAVAILABLE') throw error;
    const hint = 'the package chromium of Debian brings a software driver, which VK_DRIVER_FILES may name';
    return `${(error as EngineError).message}; ${hint}`;
  }
}

const missing = await missingDriver();

export const hasWebGpu = missing === null;
export const withDriver = (name: string): string => (missing ? `${name} (skipped: ${missing})` : name);
