// In: what a person wants to talk to: a folder, an adapter's folder, a GGUF file, or a name at an endpoint. Out: that model,
// opened on what can run it.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parsePeftConfig } from '#factory/adapters/peft-config.ts';
import { FactoryError } from '#factory/errors.ts';
import type { ServedModel } from '#factory/records/served-model.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { openUpstreamModel } from '#factory/serve/upstream-model.ts';
import { readJsonObject } from '#factory/store/read-json.ts';
import type { BaseDeps } from './open-base.ts';
import { openOwnModel } from './open-own-model.ts';

export interface Endpoint {
  /** Up to and with `/v1`. */
  url: string;
  keyEnv: string;
}

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

/** The arguments for a second model: another one without adapters, or, for "base", the base of the first. */
export async function besideArgs(args: TrainArgs, beside: string): Promise<TrainArgs> {
  if (beside !== 'base')
    return withAdapterFolder({ ...args, model_name_or_path: beside, adapter_name_or_path: [] });
  if (args.adapter_name_or_path.length === 0)
    throw new FactoryError({
      code: 'ARGS_CONFLICT',
      message: 'beside is "base", and the model has no adapter: both would be the same',
      remedy: 'Name an adapter with --adapter_name_or_path, or another model with --beside.',
    });
  return { ...args, adapter_name_or_path: [] };
}

export async function openChatSide(
  id: string,
  args: TrainArgs,
  endpoint: Endpoint | null,
  deps: BaseDeps & { clock(): number },
): Promise<ServedModel> {
  if (endpoint === null) return openOwnModel(id, args, deps);
  return openUpstreamModel(
    {
      id,
      url: endpoint.url,
      model: args.model_name_or_path,
      key: deps.env[endpoint.keyEnv],
      contextSize: null,
      timeoutMs: 600_000,
      retries: 1,
      maxTokensName: 'max_tokens',
    },
    deps.clock,
  );
}
