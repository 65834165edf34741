// In: a model's binding and the settings. Out: how many tokens a context has and the bytes that it takes. What was asked for is kept
// or refused; where nothing was, it is what the model was trained on, halved until it fits into memory.
import { FactoryError } from '#factory/errors.ts';
import type { LlamaBinding } from './binding.ts';
import type { LlamaSettings } from './messages.ts';

/** Below this an engine is of no use. */
const LEAST = 512;

export async function sizeContext(
  binding: Pick<LlamaBinding, 'contextBytes' | 'trainedContextSize' | 'weightBytes'>,
  settings: Pick<LlamaSettings, 'contextSize' | 'memoryLimit' | 'slots'>,
): Promise<{ contextSize: number; bytes: number }> {
  const left = settings.memoryLimit - binding.weightBytes;
  const refuse = (contextSize: number, bytes: number) =>
    new FactoryError({
      code: 'SERVE_MEMORY',
      message:
        `${settings.slots} answers of ${contextSize} tokens take ${gib(bytes)} beside weights of ` +
        `${gib(binding.weightBytes)}, and ${gib(settings.memoryLimit)} are free`,
      remedy: 'Set a smaller `context_size` or fewer `slots`, or serve a smaller quantisation.',
    });
  if (settings.contextSize !== null) {
    const bytes = await binding.contextBytes(settings.contextSize);
    if (bytes > left) throw refuse(settings.contextSize, bytes);
    return { contextSize: settings.contextSize, bytes };
  }
  for (let contextSize = binding.trainedContextSize; ; contextSize = Math.floor(contextSize / 2)) {
    const bytes = await binding.contextBytes(contextSize);
    if (bytes <= left) return { contextSize, bytes };
    if (contextSize / 2 < LEAST) throw refuse(contextSize, bytes);
  }
}

const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(2)} GiB`;
