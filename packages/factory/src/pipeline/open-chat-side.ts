// In: what a person wants to talk to: a folder, an adapter's folder, a GGUF file, or a name at an endpoint. Out: that model,
// opened on what can run it.
import { FactoryError } from '#factory/errors.ts';
import type { ServedModel } from '#factory/records/served-model.ts';
import type { TextTokenizer } from '#factory/records/tokenizer.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { openUpstreamModel } from '#factory/serve/upstream-model.ts';
import { servedTemplate } from '#factory/tokens/answer/served-template.ts';
import { withAdapterFolder } from './adapter-folder.ts';
import { templateOf } from './choose-template.ts';
import type { BaseDeps } from './open-base.ts';
import { openOwnModel } from './open-own-model.ts';

export interface Endpoint {
  /** Up to and with `/v1`. */
  url: string;
  keyEnv: string;
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
  if (endpoint === null) {
    const isFile = /\.gguf$/i.test(args.model_name_or_path) && args.adapter_name_or_path.length === 0;
    return isFile ? openFile(id, args, deps) : openOwnModel(id, args, deps);
  }
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

async function openFile(id: string, args: TrainArgs, deps: BaseDeps): Promise<ServedModel> {
  const { openServedModel } = await import('./open-served-model.ts');
  const entry = {
    ...{ kind: 'embedded' as const, id, path: args.model_name_or_path, template: null, base: null },
    ...{ scale: 1, context_size: null, slots: 1, threads: null, gpu: 'off' as const, gpu_layers: null },
    ...{ mlock: false, adapters: [] },
  };
  const named =
    args.template === null
      ? undefined
      : (tokenizer: TextTokenizer) => servedTemplate(templateOf(args, { tokenizer }), tokenizer);
  return (await openServedModel(entry, deps, named)).models[0].model;
}
