// In: the folder of a Hugging Face model. Out: its ModelConfig, with every value checked.
// It reads config.json only; weights are not touched.
import { join } from 'node:path';
import { FactoryError } from '#factory/errors.ts';
import type { ModelConfig } from '#factory/records/model-config.ts';
import { readJsonObject } from '#factory/store/read-json.ts';
import { findArchitecture } from './architecture.ts';
import { configFields } from './config-fields.ts';

export async function readModelConfig(dir: string): Promise<ModelConfig> {
  const file = join(dir, 'config.json');
  const raw = await readJsonObject(file, {
    code: 'MODEL_BAD_CONFIG',
    remedy: 'Get config.json again from where the model came from.',
  });
  if (raw === null) {
    throw new FactoryError({
      code: 'MODEL_BAD_CONFIG',
      message: `${file}: expected the model's config.json, found no such file`,
      remedy: 'Set model_name_or_path to a folder in Hugging Face layout: config.json beside *.safetensors.',
      details: { file },
    });
  }
  return parseModelConfig(raw, file);
}

/** The same for a config that is already parsed; `file` is what messages call it. */
export function parseModelConfig(raw: Readonly<Record<string, unknown>>, file: string): ModelConfig {
  const fields = configFields(raw, file);
  refuseQuantised(raw, file);
  return findArchitecture(fields).read(fields);
}

function refuseQuantised(raw: Readonly<Record<string, unknown>>, file: string): void {
  const found = raw.quantization_config ?? raw.compression_config;
  if (found === undefined || found === null) return;
  const method = (found as { quant_method?: unknown }).quant_method;
  // Those are read; see bitsandbytes/stored-codes.ts.
  if (method === 'bitsandbytes' && raw.quantization_config) return;
  throw new FactoryError({
    code: 'MODEL_BAD_CONFIG',
    message: `${file}: quantization_config: expected full weights (float32, float16 or bfloat16) or codes of bitsandbytes, found a checkpoint quantised with ${typeof method === 'string' ? method.slice(0, 40) : 'an unnamed method'}`,
    remedy: 'Use the unquantised checkpoint of the same model.',
    details: { file, key: 'quantization_config' },
  });
}
