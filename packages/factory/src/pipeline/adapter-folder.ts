// In: model arguments whose model may be the folder of an adapter. Out: the same with the adapter's base as the model.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parsePeftConfig } from '#factory/adapters/peft-config.ts';
import { FactoryError } from '#factory/errors.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { readJsonObject } from '#factory/store/read-json.ts';

const ADAPTER_CONFIG = 'adapter_config.json';

/** The folder of an adapter stands for the adapter on its base. */
export async function withAdapterFolder(args: TrainArgs): Promise<TrainArgs> {
  const dir = args.model_name_or_path;
  const file = join(dir, ADAPTER_CONFIG);
  if (args.adapter_name_or_path.length > 0 || !existsSync(file) || existsSync(join(dir, 'config.json')))
    return args;
  return { ...args, model_name_or_path: await baseOf(dir), adapter_name_or_path: [dir] };
}

async function baseOf(dir: string): Promise<string> {
  const file = join(dir, ADAPTER_CONFIG);
  const remedy = 'Name the base with --model_name_or_path and this folder with --adapter_name_or_path.';
  const raw = await readJsonObject(file, { code: 'ADAPTERS_BAD_CONFIG', remedy });
  const { baseModel } = parsePeftConfig(raw ?? {}, file);
  if (baseModel !== '') return baseModel;
  throw new FactoryError({
    code: 'ADAPTERS_BAD_CONFIG',
    message: `${file}: expected base_model_name_or_path, found none`,
    remedy,
  });
}
