// In: the words of a command line. Out: the leading configuration file, if any, and the settings after it, in order.
// It knows which keys are boolean or take several words, and nothing else about them.
import { FactoryError } from '#factory/errors.ts';
import { isBoolWord } from './coerce.ts';
import type { ArgType } from './key.ts';

/** One setting as written, before its name or value is understood. */
export interface Setting {
  /** The name with underscores. */
  key: string;
  raw: unknown;
  /** The spelling of the value in a file. */
  text?: string;
  /** Where it was written, such as `lora.yaml, line 3`, or `--lora_rank`. */
  where: string;
  /** Set when a flag that needs a value stands alone. */
  valueMissing?: boolean;
}

export interface SplitWords {
  file: string | null;
  settings: Setting[];
}

const FLAG = /^--?[A-Za-z_][\w.-]*(=|$)/;
const ASSIGNMENT = /^[A-Za-z_][\w.-]*=/;
const FILE = /\.(ya?ml|json)$/i;

/** `typeOf` gives the type of a key under any of its names, or undefined for an unknown key. */
export function splitWords(
  words: readonly string[],
  typeOf: (key: string) => ArgType | undefined,
): SplitWords {
  const first = words[0];
  const file =
    first !== undefined && FILE.test(first) && !FLAG.test(first) && !ASSIGNMENT.test(first) ? first : null;
  const settings: Setting[] = [];
  let at = file === null ? 0 : 1;
  while (at < words.length) {
    const word = words[at]!;
    at += 1;
    if (FLAG.test(word)) {
      const taken = takeFlag(word, words, at, typeOf);
      settings.push(taken.setting);
      at = taken.next;
    } else if (ASSIGNMENT.test(word)) {
      const cut = word.indexOf('=');
      const name = word.slice(0, cut);
      settings.push({ key: toKey(name), raw: word.slice(cut + 1), where: name });
    } else {
      throw new FactoryError({
        code: 'CLI_USAGE',
        message: `expected --key value or key=value, found ${JSON.stringify(word)} as word ${at}`,
        remedy: FILE.test(word)
          ? `Put the configuration file ${word} first, before all keys.`
          : `Write the key in front of ${JSON.stringify(word)}, or quote a value that holds spaces.`,
      });
    }
  }
  return { file, settings };
}

function toKey(name: string): string {
  return name.replaceAll('-', '_');
}

function takeFlag(
  word: string,
  words: readonly string[],
  next: number,
  typeOf: (key: string) => ArgType | undefined,
): { setting: Setting; next: number } {
  const body = word.replace(/^--?/, '');
  const cut = body.indexOf('=');
  const name = cut < 0 ? body : body.slice(0, cut);
  const setting: Setting = { key: toKey(name), raw: true, where: `--${name}` };
  if (cut >= 0) return { setting: { ...setting, raw: body.slice(cut + 1) }, next };

  const type = typeOf(setting.key);
  const values: string[] = [];
  while (next < words.length && !FLAG.test(words[next]!)) {
    const value = words[next]!;
    const many = type !== undefined && ['list', 'texts', 'numbers'].includes(type.kind);
    if (values.length > 0 && (!many || ASSIGNMENT.test(value))) break;
    // A bare boolean flag may stand before a `key=value` word or nothing at all.
    if (type?.kind === 'bool' && !isBoolWord(value) && (ASSIGNMENT.test(value) || value.trim() === '')) break;
    if (type === undefined && ASSIGNMENT.test(value)) break;
    values.push(value);
    next += 1;
  }
  if (values.length === 0) {
    const bare = type === undefined || type.kind === 'bool' || type.kind === 'path_or_bool';
    return { setting: { ...setting, valueMissing: !bare }, next };
  }
  return { setting: { ...setting, raw: values.length === 1 ? values[0] : values }, next };
}
