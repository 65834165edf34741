// In: an entry of the models to serve. Out: the models that it stands for, under their names, ready to be asked.
import { FactoryError } from '#factory/errors.ts';
import type { ModelEntry, UpstreamEntry } from '#factory/records/serve-args.ts';
import type { ServedModel } from '#factory/records/served-model.ts';
import { openUpstreamModel } from '#factory/serve/upstream-model.ts';
import type { BaseDeps } from './open-base.ts';
import { type NamedModel, openServedModel, type ServedBase } from './open-served-model.ts';

export interface ServingDeps extends BaseDeps {
  /** Milliseconds, monotonic. */
  clock(): number;
  /** Models that further adapters may be put on, by id; kept here. */
  bases: Map<string, ServedBase>;
}

export async function openServedEntry(entry: ModelEntry, deps: ServingDeps): Promise<NamedModel[]> {
  if (entry.kind === 'upstream') return [{ id: entry.id, model: openUpstream(entry, deps) }];
  if (entry.base === null) {
    const base = await openServedModel(entry, deps);
    deps.bases.set(entry.id, base);
    return [...base.models];
  }
  const base = deps.bases.get(entry.base);
  if (base?.engine.isReady()) return [await base.addAdapter(entry.id, entry.path, entry.scale)];
  throw new FactoryError({
    code: 'SERVE_NO_MODEL',
    message: `${entry.id}: expected the id of a served file in base, found ${JSON.stringify(entry.base)}`,
    remedy: 'Serve the base first; an adapter goes on a GGUF file that this server runs.',
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
