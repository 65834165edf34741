// In: a model folder or a hub id. Out: its folder, config, generation config, and weights that were checked against the
// config and can be read by name. No weight is in memory yet.
import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { FactoryError } from '#factory/errors.ts';
import type { ModelConfig, WeightSource } from '#factory/records/model-config.ts';
import { readJsonObject } from '#factory/store/read-json.ts';
import { withStoredCodes } from './bitsandbytes/stored-codes.ts';
import { checkTensors } from './check-tensors.ts';
import { readModelConfig } from './config.ts';
import { downloadModel, type HubOptions, isHubId } from './hub.ts';
import { openSafetensors } from './safetensors.ts';

export interface OpenModel {
  dir: string;
  config: ModelConfig;
  /** Close it when the weights have been read. */
  weights: WeightSource;
  generationConfig: Record<string, unknown>;
  /** What the user should know about the checkpoint, such as tensors that stay unused. */
  notes: string[];
}

export async function openModel(nameOrPath: string, options: HubOptions): Promise<OpenModel> {
  const notes: string[] = [];
  const dir = await resolveModelFolder(nameOrPath, { ...options, onNote: (text) => notes.push(text) });
  const config = await readModelConfig(dir);
  const generationConfig = await readGenerationConfig(dir);
  const source = await openSafetensors(dir);
  try {
    const checked = checkTensors(await withStoredCodes(source), config);
    return { dir, config, weights: checked.weights, generationConfig, notes: [...notes, ...checked.notes] };
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** A folder as it is; a hub id by way of the cache. Also for adapters and tokenizers on the hub. */
export async function resolveModelFolder(nameOrPath: string, options: HubOptions): Promise<string> {
  const found = await stat(nameOrPath).catch(() => null);
  if (found?.isDirectory()) return resolve(nameOrPath);
  if (!found && isHubId(nameOrPath)) return downloadModel(nameOrPath, options);
  throw new FactoryError({
    code: 'MODEL_NOT_FOUND',
    message: `${nameOrPath}: expected a model folder or a hub id (owner/name), found ${found ? 'a file' : 'neither'}`,
    remedy: found
      ? 'Set the path to the folder that holds the file.'
      : 'Check the path for typing errors, or give a hub id such as Qwen/Qwen2.5-0.5B-Instruct.',
    details: { nameOrPath },
  });
}

/** Missing or empty is the usual case of a base model. */
async function readGenerationConfig(dir: string): Promise<Record<string, unknown>> {
  const remedy = 'Correct generation_config.json or delete it.';
  return (
    (await readJsonObject(join(dir, 'generation_config.json'), { code: 'MODEL_BAD_CONFIG', remedy })) ?? {}
  );
}
