// In: the words after `tunesmith keys`. Out: an API key made, listed, replaced or revoked. A new key is shown here and never again.
import { readCommandWords } from '#factory/arguments/command-words.ts';
import { readDuration } from '#factory/arguments/serve-args.ts';
import { suggest } from '#factory/arguments/suggest.ts';
import { KEYS_ACTIONS, type KeysActionName } from '#factory/arguments/table-serve.ts';
import { FactoryError } from '#factory/errors.ts';
import {
  type ApiKey,
  createKey,
  KEY_SCOPES,
  type KeyScope,
  keyState,
  listKeys,
  type MadeKey,
  revokeKey,
  rotateKey,
} from '#factory/store/api-keys.ts';
import type { CommandContext } from '../command.ts';

interface KeysOptions {
  name: string;
  scopes: string[];
  expires: string | null;
  grace: string | null;
  keys_file: string;
}

export async function keys({ words, json, terminal }: CommandContext): Promise<number> {
  const [action = '', ...rest] = words;
  if (!Object.hasOwn(KEYS_ACTIONS, action)) throw unknownAction(action);
  const name = action as KeysActionName;
  const { things, options } = readCommandWords(rest, KEYS_ACTIONS[name].keys, `tunesmith keys ${name}`);
  const wish = options as unknown as KeysOptions;
  const nowMs = Date.now();
  const id = idOf(name, things);
  const show = (made: MadeKey, more: string) =>
    json
      ? `${JSON.stringify({ key: made.key, ...made.record })}\n`
      : `${made.key}\n${more}It is shown this once: ${line(made.record, nowMs)}\n`;
  switch (name) {
    case 'create': {
      const expiresMs = wish.expires === null ? null : nowMs + readDuration(wish.expires, 'expires');
      const key = { name: wish.name, scopes: scopesOf(wish.scopes), expiresMs };
      terminal.out(show(await createKey(wish.keys_file, key, nowMs), ''));
      break;
    }
    case 'rotate': {
      const graceMs = wish.grace === null ? 0 : readDuration(wish.grace, 'grace');
      const made = await rotateKey(wish.keys_file, id, nowMs + graceMs, nowMs);
      const until = graceMs === 0 ? 'has ended' : `ends in ${wish.grace}`;
      terminal.out(show(made, `The old key ${id} ${until}. `));
      break;
    }
    case 'revoke': {
      const revoked = await revokeKey(wish.keys_file, id, nowMs);
      terminal.out(json ? `${JSON.stringify(revoked)}\n` : `${line(revoked, nowMs)}\n`);
      break;
    }
    case 'list': {
      const all = listKeys(wish.keys_file);
      const lines = all.map((key) => `${line(key, nowMs)}\n`).join('');
      terminal.out(json ? `${JSON.stringify(all)}\n` : lines || `there are no keys in ${wish.keys_file}\n`);
    }
  }
  return 0;
}

function line(key: ApiKey, nowMs: number): string {
  const ends = key.expires_at === null ? 'without end' : `until ${key.expires_at}`;
  const state = keyState(key, nowMs);
  return `${key.id}  ${key.prefix}…  ${key.name}  ${key.scopes.join(',')}  ${state === 'active' ? ends : state}`;
}

function idOf(action: KeysActionName, things: string[]): string {
  const needs = action === 'rotate' || action === 'revoke' ? 1 : 0;
  if (things.length === needs) return things[0] ?? '';
  throw new FactoryError({
    code: 'CLI_USAGE',
    message: `tunesmith keys ${action}: expected ${needs === 1 ? 'the id of one key' : 'no further words'}, found ${things.length}`,
    remedy: `Write "tunesmith keys ${action}${needs === 1 ? ' ID' : ''}"; "tunesmith keys list" has the ids.`,
  });
}

function scopesOf(words: readonly string[]): KeyScope[] {
  const unknown = words.find((one) => !(KEY_SCOPES as readonly string[]).includes(one));
  if (unknown === undefined && words.length > 0) return [...new Set(words as KeyScope[])];
  throw new FactoryError({
    code: 'ARGS_BAD_VALUE',
    message: `--scopes: expected some of ${KEY_SCOPES.join(', ')}, found ${JSON.stringify(unknown ?? '')}`,
    remedy: 'Correct the value of scopes.',
  });
}

function unknownAction(action: string): FactoryError {
  const names = Object.keys(KEYS_ACTIONS);
  const meant = suggest(action, names);
  return new FactoryError({
    code: 'CLI_USAGE',
    message: `expected one of ${names.join(', ')} after keys, found ${JSON.stringify(action)}${meant === null ? '' : `; did you mean ${meant}?`}`,
    remedy: meant === null ? 'Run "tunesmith help keys".' : `Write "tunesmith keys ${meant}".`,
  });
}
