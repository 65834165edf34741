// In: the words of a command line (and through them a configuration file). Out: typed values of every supported key,
// what was given, and notes. All unknown keys, wrong values and refused keys are reported in one error.
// It does not compare keys with one another: that is check.ts.
import { FactoryError } from '#factory/errors.ts';
import type { ArgNote } from '#factory/records/train-args.ts';
import { coerce, show } from './coerce.ts';
import { readSettings } from './file.ts';
import type { ArgKey } from './key.ts';
import { currentName, OLD_NAMES, oldType, translate } from './rename.ts';
import { suggest } from './suggest.ts';
import { ARG_TABLE } from './table.ts';
import { type Setting, splitWords } from './words.ts';

export interface ArgDeps {
  /** Reads a text file as UTF-8; throws when it cannot. */
  readFile(path: string): string;
  env?: Readonly<Record<string, string | undefined>>;
}

export interface ReadArgs {
  /** Every supported key, at its given value or its default. */
  values: Record<string, unknown>;
  /** Every known key that was given, under today's name. */
  given: Record<string, unknown>;
  notes: ArgNote[];
  /** Older names in use that date the command to the train_bash.py era. */
  eraNames: string[];
}

interface Problem {
  code: 'ARGS_UNKNOWN_KEY' | 'ARGS_BAD_VALUE' | 'ARGS_NOT_SUPPORTED';
  key: string;
  text: string;
  remedy: string;
}

type Named = Setting & { givenAs?: string };

/** `extra` holds keys of one command that are no training keys, such as `prompt`. */
export function readArgs(words: readonly string[], deps: ArgDeps, extra: readonly ArgKey[] = []): ReadArgs {
  const extras = new Map(extra.map((key) => [key.name, key]));
  const find = (name: string) => extras.get(name) ?? ARG_TABLE.get(name);

  const split = splitWords(words, (name) => oldType(name) ?? find(currentName(name))?.type);
  const fromFile = split.file === null ? [] : readSettings(split.file, readText(split.file, deps));
  const isOnByDefault = (name: string) => find(name)?.type.kind === 'bool' && find(name)?.default === true;
  const file = translate(fromFile, isOnByDefault);
  const line = translate(split.settings, isOnByDefault);

  const notes: ArgNote[] = [...file.notes, ...line.notes];
  const problems: Problem[] = [];
  const chosen = new Map<string, Named>();
  for (const [settings, source] of [
    [file.settings, split.file ?? ''],
    [line.settings, 'on the command line'],
  ] as const) {
    for (const [name, setting] of lastWins(settings, source, notes)) chosen.set(name, setting);
  }

  const given: Record<string, unknown> = {};
  const isLenient = ['1', 'true', 'y'].includes((deps.env?.ALLOW_EXTRA_ARGS ?? '').toLowerCase());
  for (const [name, setting] of chosen) {
    const key = find(name);
    if (key === undefined) {
      if (isLenient)
        notes.push({
          key: name,
          kind: 'no_effect',
          text: `${name} is not known; ignored because ALLOW_EXTRA_ARGS is set`,
        });
      else problems.push(unknownKey(setting, [...extras.keys(), ...ARG_TABLE.keys(), ...OLD_NAMES]));
      continue;
    }
    const read = setting.valueMissing ? null : coerce(key.type, setting.raw, setting.text);
    if (read === null || !read.ok) {
      problems.push(
        badValue(key, setting, read === null ? 'expected a value after it, found none' : read.problem),
      );
      continue;
    }
    const value = emptyMeansDefault(key, read.value);
    given[name] = value;
    judge(key, setting, value, notes, problems);
  }
  if (problems.length > 0) throw asError(problems);

  const values: Record<string, unknown> = {};
  for (const key of [...ARG_TABLE.values(), ...extras.values()]) {
    if (key.status !== 'supported') continue;
    values[key.name] = Object.hasOwn(given, key.name) ? given[key.name] : structuredClone(key.default);
  }
  return { values, given, notes, eraNames: [...new Set([...file.eraNames, ...line.eraNames])] };
}

function readText(path: string, deps: ArgDeps): string {
  try {
    return deps.readFile(path);
  } catch (cause) {
    throw new FactoryError({
      code: 'ARGS_FILE',
      message: `the configuration file ${path} cannot be read (${cause instanceof Error ? cause.message : String(cause)})`,
      remedy: `Check the path ${path} and its permissions.`,
      cause,
    });
  }
}

function lastWins(settings: readonly Named[], source: string, notes: ArgNote[]): Map<string, Named> {
  const last = new Map<string, Named>();
  for (const setting of settings) {
    const before = last.get(setting.key);
    if (before !== undefined) {
      const names = [before, setting]
        .map((one) => `${one.givenAs ?? one.key} ${show(one.raw)}`)
        .join(', then ');
      notes.push({
        key: setting.key,
        kind: 'info',
        text: `${setting.key} is given twice in ${source} (${names}); the last one is used`.replace(
          'in on',
          'on',
        ),
      });
    }
    last.set(setting.key, setting);
  }
  return last;
}

/** An empty list, or None for a list or a dict, asks for the default. */
function emptyMeansDefault(key: ArgKey, value: unknown): unknown {
  const isCollection = ['list', 'texts', 'dict'].includes(key.type.kind);
  const isEmpty = value === null || (Array.isArray(value) && value.length === 0);
  return isCollection && isEmpty ? structuredClone(key.default) : value;
}

function judge(key: ArgKey, setting: Named, value: unknown, notes: ArgNote[], problems: Problem[]): void {
  const isAt = (other: unknown) => JSON.stringify(value) === JSON.stringify(other);
  if (key.status === 'no_effect' && !isAt(key.default)) {
    notes.push({ key: key.name, kind: 'no_effect', text: `${key.name} has no effect: ${key.why}` });
  }
  const name = setting.givenAs === undefined ? key.name : `${key.name} (given as ${setting.givenAs})`;
  const reason =
    typeof value === 'string' && key.refusedValues !== undefined ? key.refusedValues[value] : undefined;
  if (reason !== undefined) {
    problems.push({
      code: 'ARGS_NOT_SUPPORTED',
      key: key.name,
      text: `${name} ${show(value)} is refused: ${reason} (${setting.where})`,
      remedy: `Choose another value for ${setting.givenAs ?? key.name}.`,
    });
  }
  if (key.status !== 'refused') return;
  const asksNothing = value === null || value === '' || isAt(key.default) || (key.harmless ?? []).some(isAt);
  if (asksNothing && !key.refuseDefault) return;
  problems.push({
    code: 'ARGS_NOT_SUPPORTED',
    key: key.name,
    text: `${name} is refused: ${key.why} (${setting.where})`,
    remedy: `Remove ${setting.givenAs ?? key.name}.`,
  });
}

function unknownKey(setting: Named, known: readonly string[]): Problem {
  const meant = suggest(setting.key, known);
  return {
    code: 'ARGS_UNKNOWN_KEY',
    key: setting.key,
    text: `${show(setting.key).slice(1, -1)} is not a known key${meant === null ? '' : `, did you mean ${meant}?`} (${setting.where})`,
    remedy:
      meant === null
        ? 'Run "tunesmith help train" for all keys.'
        : `Write ${meant} instead of ${setting.key}.`,
  };
}

function badValue(key: ArgKey, setting: Named, problem: string): Problem {
  const name = setting.givenAs ?? key.name;
  return {
    code: 'ARGS_BAD_VALUE',
    key: key.name,
    text: `${name}: ${problem} (${setting.where})`,
    remedy: `Correct the value of ${name}.`,
  };
}

/** One error for everything that is wrong; unknown keys first, since they may explain the rest. */
function asError(problems: readonly Problem[]): FactoryError {
  const order = ['ARGS_UNKNOWN_KEY', 'ARGS_BAD_VALUE', 'ARGS_NOT_SUPPORTED'] as const;
  const sorted = order.flatMap((code) => problems.filter((problem) => problem.code === code));
  const remedies = [...new Set(sorted.map((problem) => problem.remedy))];
  return new FactoryError({
    code: sorted[0]!.code,
    message: sorted.map((problem) => problem.text).join('; '),
    remedy: remedies.join(' '),
    details: { problems: sorted.map(({ code, key, text }) => ({ code, key, text })) },
  });
}
