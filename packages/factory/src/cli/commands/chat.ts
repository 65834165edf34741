// In: the words after `tunesmith chat`. Out: a chat in the terminal with the models that they name.
import { readFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { parseModelArgs } from '#factory/arguments/parse.ts';
import { FactoryError } from '#factory/errors.ts';
import { samplingOf } from '../chat/sampling-of.ts';
import { CHAT_KEYS } from '../chat-keys.ts';
import type { CommandContext } from '../command.ts';

interface Wish {
  beside: string | null;
  endpoint: string | null;
  endpoint_key_env: string;
  system: string | null;
  stop: string[];
  layout: 'auto' | 'columns' | 'rows';
  speed: boolean;
}

const WIDE = 80;

export async function chatCommand({ words, json, terminal, env }: CommandContext): Promise<number> {
  const deps = { readFile: (path: string) => readFileSync(path, 'utf8'), env };
  const { args: given, notes, options } = parseModelArgs(modelFirst(words), CHAT_KEYS, deps);
  const wish = options as unknown as Wish;
  checkWish(wish, json);
  for (const { text } of notes) terminal.err(`note: ${text}\n`);
  const endpoint = wish.endpoint === null ? null : { url: wish.endpoint, keyEnv: wish.endpoint_key_env };
  const { withAdapterFolder } = await import('#factory/pipeline/adapter-folder.ts');
  const { besideArgs } = await import('#factory/pipeline/open-chat-side.ts');
  const args = endpoint ? given : await withAdapterFolder(given);
  const sides = [{ name: nameOf(args), args }];
  if (wish.beside !== null) {
    const other = endpoint
      ? { ...args, model_name_or_path: wish.beside }
      : await besideArgs(args, wish.beside);
    sides.push({ name: wish.beside === 'base' ? 'base' : nameOf(other), args: other });
  }
  const isWide = terminal.outIsTty && terminal.columns >= WIDE;
  const { talk } = await import('../chat/talk.ts');
  return await talk(sides, endpoint, {
    ...{ terminal, env, system: wish.system, showsSpeed: wish.speed },
    sampling: samplingOf(args, wish.stop),
    layout: wish.layout === 'auto' ? (isWide ? 'columns' : 'rows') : wish.layout,
  });
}

/** A first word that is no key and no configuration file is the model. */
function modelFirst(words: readonly string[]): string[] {
  const [first, ...rest] = words;
  const isModel = first !== undefined && !first.startsWith('-') && !/\.(ya?ml|json)$|=/.test(first);
  return isModel ? ['--model_name_or_path', first, ...rest] : [...words];
}

function nameOf({
  model_name_or_path,
  adapter_name_or_path,
}: {
  model_name_or_path: string;
  adapter_name_or_path: readonly string[];
}): string {
  return basename(resolve(adapter_name_or_path.at(-1) ?? model_name_or_path)).replace(/\.gguf$/i, '');
}

function checkWish({ endpoint, beside }: Wish, json: boolean): void {
  const clash = json
    ? 'a chat and --json exclude each other'
    : endpoint !== null && beside === 'base'
      ? 'endpoint and beside "base" exclude each other: the server has models by name'
      : null;
  if (clash !== null)
    throw new FactoryError({ code: 'ARGS_CONFLICT', message: clash, remedy: 'Keep one of the two.' });
  if (endpoint !== null && (!URL.canParse(endpoint) || !/^https?:$/.test(new URL(endpoint).protocol)))
    throw new FactoryError({
      code: 'ARGS_BAD_VALUE',
      message: `--endpoint: expected a URL as http://localhost:8000/v1, found ${JSON.stringify(endpoint)}`,
      remedy: 'Correct the value of endpoint.',
    });
}
