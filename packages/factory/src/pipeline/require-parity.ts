// In: how alike a GGUF file answers, and its type. Out: nothing, or a typed error where the type cannot explain the difference. Of
// quantised files the figures are shown; whether they are good enough is a verdict's to say.
import { FactoryError } from '#factory/errors.ts';
import type { ServingParity } from './serving-parity.ts';

/** Mean KL. llama.cpp keeps keys and values in float16, and rounds activations to the type of 16-bit weights. */
const MOST: Partial<Record<string, number>> = { F32: 1e-5, F16: 1e-3, BF16: 1e-2 };

export function requireParity({ meanKl, worst }: ServingParity, fileType: string): void {
  const most = MOST[fileType];
  if (most === undefined || meanKl <= most) return;
  throw new FactoryError({
    code: 'EXPORT_DIFFERS',
    message: `llama.cpp answers otherwise than the model that the GGUF file was made from: mean KL ${meanKl.toExponential(1)}, expected at most ${most} in ${fileType.toLowerCase()}; worst on ${JSON.stringify(worst.text.slice(0, 60))}; nothing was kept`,
    remedy: 'Report this with the config.json of the model; --verify false exports all the same.',
    details: { meanKl, worst },
  });
}
