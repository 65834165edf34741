// In: an entry of the models to serve. Out: the models that it stands for, under their names, ready to be asked.
import { FactoryError } from '#factory/errors.ts';
import type { ModelEntry, UpstreamEntry } from '#factory/records/serve-args.ts';
import type { ServedModel } from '#factory/records/served-model.ts';
import { openUpstreamModel } from '#factory/serve/upstream-model.ts';

export interface ServingDeps {
  env: Readonly<Record<string, string | undefined>>;
  /** Milliseconds, monotonic. */
  clock(): number;
}

export interface NamedModel {
  id: string;
  model: ServedModel;
}

export async function openServedEntry(entry: ModelEntry, deps: ServingDeps): Promise<NamedModel[]> {
  if (entry.kind === 'upstream') return [{ id: entry.id, model: openUpstream(entry, deps) }];
  throw new FactoryError({
    code: 'ARGS_NOT_SUPPORTED',
    message: `${entry.path}: files are not served here, only models of OpenAI-compatible servers are`,
    remedy: 'Name the server with --upstream and --upstream_model.',
  });
}

function openUpstream(entry: UpstreamEntry, { env, clock }: ServingDeps): ServedModel {
  const name = entry.api_key_env;
  const key = name === null ? undefined : env[name];
  if (name !== null && !key)
    throw new FactoryError({
      code: 'ARGS_MISSING',
      message: `${entry.id}: expected the key of ${entry.upstream} in the environment variable ${name}, found none`,
      remedy: `Set ${name}, or remove the key that names it.`,
    });
  const options = {
    id: entry.id,
    url: entry.upstream,
    model: entry.model,
    key,
    contextSize: entry.context_size,
    timeoutMs: 1000 * entry.timeout,
    retries: entry.retries,
    maxTokensName: entry.max_tokens_name,
  };
  return openUpstreamModel(options, clock);
}
