// In: the secret file and the environment variable that `tunesmith serve` was told of. Out: the keys in them. None of their text is
// in an error.
import { readFileSync } from 'node:fs';
import { FactoryError } from '#factory/errors.ts';
import type { ServeArgs } from '#factory/records/serve-args.ts';
import { KEY_SCOPES, type KeyScope, type PlainKey } from '#factory/store/api-keys.ts';
import { readError } from '#factory/store/read-error.ts';

const USUAL: readonly KeyScope[] = ['infer', 'metrics'];
/** Shorter ones can be guessed. */
const SHORTEST = 16;

export function readPlainKeys(
  { api_key_file, api_key_env }: Pick<ServeArgs, 'api_key_file' | 'api_key_env'>,
  env: Readonly<Record<string, string | undefined>>,
): PlainKey[] {
  const keys = api_key_file === null ? [] : readFile(api_key_file);
  const key = env[api_key_env];
  if (key === undefined || key === '') return keys;
  if (key.length < SHORTEST) throw tooShort(`the environment variable ${api_key_env}`);
  return [...keys, { id: 'environment', key, scopes: USUAL }];
}

function readFile(path: string): PlainKey[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw readError(error, path, 'SERVE_KEYS');
  }
  return text.split(/\r?\n/).flatMap((line, at) => {
    const [key, scopeText, ...more] = line.trim().split(/\s+/);
    if (key === '' || key.startsWith('#')) return [];
    const scopes = scopeText === undefined ? USUAL : (scopeText.split(',') as KeyScope[]);
    const unknown = scopes.find((one) => !KEY_SCOPES.includes(one));
    if (unknown !== undefined || more.length > 0)
      throw new FactoryError({
        code: 'SERVE_KEYS',
        message: `${path}, line ${at + 1}: expected KEY or KEY scope,scope with scopes of ${KEY_SCOPES.join(', ')}, found something else`,
        remedy: 'Write one key per line, and its scopes after a space.',
      });
    if (key.length < SHORTEST) throw tooShort(`${path}, line ${at + 1}`);
    return [{ id: `file_${at + 1}`, key, scopes }];
  });
}

function tooShort(where: string): FactoryError {
  return new FactoryError({
    code: 'SERVE_KEYS',
    message: `${where}: expected a key of at least ${SHORTEST} characters, found a shorter one`,
    remedy: 'Make a long random key, as with "openssl rand -hex 32".',
  });
}
