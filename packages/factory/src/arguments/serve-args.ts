// In: the words after `tunesmith serve`, or one entry of `models`. Out: typed arguments in which all rules hold. A configuration
// file comes first and flags change it; the model of the flags and those of the file are served together.
import { basename } from 'node:path';
import { FactoryError } from '#factory/errors.ts';
import type { EmbeddedEntry, ModelEntry, ServeArgs, UpstreamEntry } from '#factory/records/serve-args.ts';
import { coerce, show } from './coerce.ts';
import { readCommandWords } from './command-words.ts';
import { readSettings } from './file.ts';
import { suggest } from './suggest.ts';
import {
  EMBEDDED_ENTRY_KEYS,
  MODEL_KEYS,
  SERVE_KEYS,
  SERVER_KEYS,
  UPSTREAM_ENTRY_KEYS,
} from './table-serve.ts';

interface ServeDeps {
  readFile(path: string): string;
}

const CONFIG = /\.(ya?ml|json)$/i;

export function readServeArgs(words: readonly string[], deps: ServeDeps): ServeArgs {
  // Only what was written may change the file.
  const unset = SERVE_KEYS.map((key) => ({ ...key, default: undefined }));
  const { things, options } = readCommandWords(words, unset, 'tunesmith serve');
  const file = things[0] !== undefined && CONFIG.test(things[0]) ? things[0] : null;
  const paths = file === null ? things : things.slice(1);
  const fromFile = file === null ? { models: [], given: {} } : readFile(file, deps);
  const given = { ...fromFile.given, ...withoutUndefined(options) };
  const server = Object.fromEntries(
    SERVER_KEYS.map((key) => [key.name, Object.hasOwn(given, key.name) ? given[key.name] : key.default]),
  );
  const args = {
    ...server,
    models: [...fromFile.models, ...modelsOfFlags(paths, withoutUndefined(options))],
  } as unknown as ServeArgs;
  checkIds(args.models);
  checkOrigins(args.cors_origin);
  return args;
}

function readFile(path: string, deps: ServeDeps): { models: ModelEntry[]; given: Record<string, unknown> } {
  let text: string;
  try {
    text = deps.readFile(path);
  } catch (cause) {
    throw new FactoryError({
      code: 'ARGS_FILE',
      message: `the configuration file ${path} cannot be read (${(cause as Error).message})`,
      remedy: 'Check the path of the configuration file.',
      cause,
    });
  }
  const given: Record<string, unknown> = {};
  let models: ModelEntry[] = [];
  for (const { key: name, raw, text: spelling, where } of readSettings(path, text)) {
    if (name === 'models') {
      if (!Array.isArray(raw)) throw bad('models', where, `expected a list of models, found ${show(raw)}`);
      models = raw.map((entry, at) => readModelEntry(entry, `${where}, models[${at}]`));
      continue;
    }
    const key = SERVER_KEYS.find((one) => one.name === name);
    if (key === undefined) throw unknownKey(name, where, ['models', ...SERVER_KEYS.map((one) => one.name)]);
    const read = coerce(key.type, raw, spelling);
    if (!read.ok) throw bad(name, where, read.problem);
    given[name] = read.value;
  }
  return { models, given };
}

/** `where` names the place in errors. Throws ARGS_ errors. */
export function readModelEntry(value: unknown, where: string): ModelEntry {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw bad('models', where, `expected keys of a model, found ${show(value)}`);
  const { adapters, ...entry } = value as Record<string, unknown>;
  const isUpstream = Object.hasOwn(entry, 'upstream');
  if (isUpstream === Object.hasOwn(entry, 'path'))
    throw bad('models', where, 'expected either path or upstream, found both or neither');
  const keys = isUpstream ? UPSTREAM_ENTRY_KEYS : EMBEDDED_ENTRY_KEYS;
  const read = Object.fromEntries(keys.map((key) => [key.name, key.default]));
  for (const [name, raw] of Object.entries(entry)) {
    const key = keys.find((one) => one.name === name);
    if (key === undefined)
      throw unknownKey(name, where, [...keys.map((one) => one.name), ...(isUpstream ? [] : ['adapters'])]);
    const typed = coerce(key.type, raw);
    if (!typed.ok) throw bad(name, where, typed.problem);
    read[name] = typed.value;
  }
  if (isUpstream) {
    if (adapters !== undefined)
      throw bad('adapters', where, 'an upstream has its adapters itself; name each as a model');
    return upstreamEntry(
      read as unknown as UpstreamEntry & { id: string | null; model: string | null },
      where,
    );
  }
  return embeddedEntry(
    read as unknown as EmbeddedEntry & { id: string | null },
    readAdapters(adapters ?? [], where),
  );
}

function modelsOfFlags(paths: readonly string[], options: Record<string, unknown>): ModelEntry[] {
  const given = Object.fromEntries(
    MODEL_KEYS.map((key) => [key.name, Object.hasOwn(options, key.name) ? options[key.name] : key.default]),
  ) as {
    id: string | null;
    template: string | null;
    adapter: string[];
    upstream: string | null;
    upstream_model: string | null;
    upstream_key_env: string | null;
    upstream_timeout: number;
    upstream_retries: number;
    max_tokens_name: UpstreamEntry['max_tokens_name'];
  } & EngineWish;
  const written = MODEL_KEYS.filter((key) => Object.hasOwn(options, key.name)).map((key) => key.name);
  if (given.upstream !== null) {
    const foreign = written.filter((name) => name === 'adapter' || Object.hasOwn(engineOf(given), name));
    if (paths.length > 0 || foreign.length > 0)
      throw conflict(
        `upstream and ${foreign[0] ?? paths[0]} exclude each other`,
        'Name several models in a configuration file.',
      );
    return [
      upstreamEntry(
        {
          kind: 'upstream',
          id: given.id,
          upstream: given.upstream,
          model: given.upstream_model,
          api_key_env: given.upstream_key_env,
          context_size: null,
          timeout: given.upstream_timeout,
          retries: given.upstream_retries,
          max_tokens_name: given.max_tokens_name,
        },
        '--upstream',
      ),
    ];
  }
  const alone = written.find((name) => name.startsWith('upstream_') || name === 'max_tokens_name');
  if (alone !== undefined)
    throw conflict(`${alone} needs upstream`, `Add --upstream URL, or remove ${alone}.`);
  if (paths.length !== 1 && written.length > 0)
    throw conflict(
      `${written[0]} is about one model, found ${paths.length}`,
      'Name one model, or several in a configuration file.',
    );
  const adapters = given.adapter.map((text) => {
    const [, id, path] = /^([^=]+)=(.+)$/.exec(text) ?? [];
    if (id === undefined) throw bad('adapter', '--adapter', `expected NAME=PATH, found ${show(text)}`);
    return { id, path, scale: 1 };
  });
  return paths.map((path) =>
    embeddedEntry({ ...engineOf(given), kind: 'embedded', id: given.id, path }, adapters),
  );
}

type EngineWish = Omit<EmbeddedEntry, 'kind' | 'id' | 'path' | 'adapters' | 'base' | 'scale'>;

function engineOf(given: EngineWish): EngineWish & Pick<EmbeddedEntry, 'base' | 'scale'> {
  const { template, context_size, slots, threads, gpu, gpu_layers, mlock } = given;
  return { template, context_size, slots, threads, gpu, gpu_layers, mlock, base: null, scale: 1 };
}

function upstreamEntry(
  read: Omit<UpstreamEntry, 'id' | 'model'> & { id: string | null; model: string | null },
  where: string,
): UpstreamEntry {
  const model = read.model ?? read.id;
  if (model === null)
    throw new FactoryError({
      code: 'ARGS_MISSING',
      message: `${where}: the upstream needs the name of its model`,
      remedy: 'Add --upstream_model, or model in the configuration file.',
    });
  if (!URL.canParse(read.upstream) || !/^https?:$/.test(new URL(read.upstream).protocol))
    throw bad('upstream', where, `expected a URL as http://localhost:8001/v1, found ${show(read.upstream)}`);
  return { ...read, kind: 'upstream', model, id: read.id ?? model };
}

function embeddedEntry(
  read: Omit<EmbeddedEntry, 'id' | 'adapters'> & { id: string | null },
  adapters: EmbeddedEntry['adapters'],
): EmbeddedEntry {
  const id = read.id ?? basename(read.path).replace(/\.gguf$/i, '');
  return { ...read, kind: 'embedded', id, adapters };
}

function readAdapters(value: unknown, where: string): EmbeddedEntry['adapters'] {
  if (!Array.isArray(value)) throw bad('adapters', where, `expected a list, found ${show(value)}`);
  return value.map((one, at) => {
    const place = `${where}, adapters[${at}]`;
    const { id, path, scale = 1, ...more } = (one ?? {}) as Record<string, unknown>;
    const unknown = Object.keys(more)[0];
    if (unknown !== undefined) throw unknownKey(unknown, place, ['id', 'path', 'scale']);
    if (typeof id !== 'string' || typeof path !== 'string')
      throw bad('adapters', place, `expected id and path, found ${show(one)}`);
    if (typeof scale !== 'number' || !Number.isFinite(scale))
      throw bad('scale', place, `expected a number, found ${show(scale)}`);
    return { id, path, scale };
  });
}

function checkIds(models: readonly ModelEntry[]): void {
  if (models.length === 0)
    throw new FactoryError({
      code: 'ARGS_MISSING',
      message: 'tunesmith serve: there is no model to serve',
      remedy:
        'Name a GGUF file, as in tunesmith serve model.gguf, an upstream with --upstream, or a configuration file.',
    });
  const seen = new Set<string>();
  for (const model of models) {
    const adapters = model.kind === 'embedded' ? model.adapters : [];
    for (const id of [model.id, ...adapters.map((one) => one.id)]) {
      if (!/^[\w.:@/-]{1,200}$/.test(id))
        throw bad('id', id, 'expected a name of letters, digits and . _ : @ / -, found something else');
      if (seen.has(id)) throw conflict(`two models are named ${id}`, 'Give each model another id.');
      seen.add(id);
    }
  }
}

function checkOrigins(origins: readonly string[]): void {
  for (const origin of origins)
    if (origin !== '*' && (!URL.canParse(origin) || new URL(origin).origin !== origin))
      throw bad(
        'cors_origin',
        '--cors_origin',
        `expected an origin as https://shop.example, found ${show(origin)}`,
      );
}

function withoutUndefined(options: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

function bad(name: string, where: string, problem: string): FactoryError {
  return new FactoryError({
    code: 'ARGS_BAD_VALUE',
    message: `${where}: ${name}: ${problem}`,
    remedy: `Correct the value of ${name}.`,
  });
}

function conflict(message: string, remedy: string): FactoryError {
  return new FactoryError({ code: 'ARGS_CONFLICT', message, remedy });
}

function unknownKey(name: string, where: string, known: readonly string[]): FactoryError {
  const meant = suggest(name, known);
  return new FactoryError({
    code: 'ARGS_UNKNOWN_KEY',
    message: `${where}: there is no key ${name}${meant === null ? '' : `, did you mean ${meant}?`}`,
    remedy: meant === null ? `Use one of ${known.join(', ')}.` : `Write ${meant} instead of ${name}.`,
  });
}

/** A life as `30m`, `12h`, `90d` or `1y`, in milliseconds. */
export function readDuration(text: string, name: string): number {
  const [, count, unit] = /^(\d{1,6})([mhdwy])$/.exec(text) ?? [];
  if (unit === undefined)
    throw bad(name, `--${name}`, `expected a time as 30m, 12h, 90d or 1y, found ${show(text)}`);
  const hours = { m: 1 / 60, h: 1, d: 24, w: 168, y: 8760 }[unit] as number;
  return Number(count) * hours * 3_600_000;
}
