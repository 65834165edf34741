// In: the words after a command that takes things to work on, such as files, and keys of its own. Out: the things, and typed
// values of the keys. Words and keys may stand in any order; unknown keys and wrong values are errors with a suggestion.
import { FactoryError } from '#factory/errors.ts';
import { coerce, isBoolWord } from './coerce.ts';
import type { ArgKey } from './key.ts';
import { suggest } from './suggest.ts';

export interface CommandWords {
  /** Words that belong to no key, in order. */
  things: string[];
  /** Every key, at its given value or its default. */
  options: Record<string, unknown>;
}

const FLAG = /^--?([A-Za-z_][\w-]*)(?:=(.*))?$/s;

/** `command` names it in errors, as in `tunesmith data clean`. A key of kind texts may be given several times. */
export function readCommandWords(
  words: readonly string[],
  keys: readonly ArgKey[],
  command: string,
): CommandWords {
  const things: string[] = [];
  const options = Object.fromEntries(keys.map((key) => [key.name, structuredClone(key.default)]));
  const given = new Set<string>();
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    const flag = FLAG.exec(word);
    if (flag === null) {
      things.push(word);
      continue;
    }
    const name = flag[1]!.replaceAll('-', '_');
    const key = keys.find((one) => one.name === name);
    if (key === undefined) throw unknownKey(name, keys, command);
    let raw: unknown = flag[2];
    if (raw === undefined) {
      const next = words[at + 1];
      const isBare = key.type.kind === 'bool' && (next === undefined || !isBoolWord(next));
      if (isBare) raw = true;
      else if (next !== undefined && !FLAG.test(next)) {
        raw = next;
        at++;
      } else throw badValue(key, 'expected a value after it, found none');
    }
    // A text may hold commas; several texts are several flags.
    const value = key.type.kind === 'texts' ? [raw] : raw;
    const read = coerce(key.type, value);
    if (!read.ok) throw badValue(key, read.problem);
    const isMore = key.type.kind === 'texts' && given.has(name);
    options[name] = isMore ? [...(options[name] as string[]), ...(read.value as string[])] : read.value;
    given.add(name);
  }
  return { things, options };
}

function unknownKey(name: string, keys: readonly ArgKey[], command: string): FactoryError {
  const names = keys.map((key) => key.name);
  const meant = suggest(name, names);
  return new FactoryError({
    code: 'ARGS_UNKNOWN_KEY',
    message: `${command} has no key ${name}${meant === null ? '' : `, did you mean ${meant}?`}`,
    remedy: meant === null ? `Use one of ${names.join(', ')}.` : `Write --${meant} instead of --${name}.`,
  });
}

function badValue(key: ArgKey, problem: string): FactoryError {
  return new FactoryError({
    code: 'ARGS_BAD_VALUE',
    message: `--${key.name}: ${problem}`,
    remedy: `Correct the value of ${key.name}.`,
  });
}
