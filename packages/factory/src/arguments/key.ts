// In: nothing. Out: the shape of one row of the argument table, and short builders for the rows.
// It holds no keys itself and reads no input.
import type { TrainArgs } from '#factory/records/train-args.ts';

export type ArgGroup =
  | 'model'
  | 'data'
  | 'finetuning'
  | 'training'
  | 'generating'
  | 'tunesmith'
  | 'evaluation'
  | 'launch'
  | 'megatron'
  | 'older'
  | 'command';

/**
 * `list` is a comma list of names; `texts` is a list whose items may hold commas; `numbers` is a comma list of floats;
 * `dict` is JSON; `path_or_bool` is a boolean word or a path.
 */
export interface ArgType {
  kind: 'bool' | 'int' | 'float' | 'string' | 'enum' | 'list' | 'texts' | 'numbers' | 'dict' | 'path_or_bool';
  /** `None` and `null` are allowed values. */
  optional: boolean;
  choices?: readonly string[];
  min?: number;
  /** `min` itself is not allowed. */
  exclusiveMin?: boolean;
  max?: number;
}

export type ArgStatus = 'supported' | 'no_effect' | 'refused';

export interface ArgKey {
  name: string;
  group: ArgGroup;
  type: ArgType;
  /** LLaMA-Factory's and Hugging Face's default, in our type; null also stands for "derived" and "required". */
  default: unknown;
  meaning: string;
  status: ArgStatus;
  /** Why a `no_effect` key changes nothing here, or why a `refused` key is refused. */
  why?: string;
  /** Values of a supported enum that are refused, each with the reason. */
  refusedValues?: Readonly<Record<string, string>>;
  /** Values of a refused key that ask for nothing that is missing here; the default is always one. */
  harmless?: readonly unknown[];
  /** Refused even at its default, because the key is not a training key at all. */
  refuseDefault?: boolean;
}

type Range = Pick<ArgType, 'min' | 'max' | 'exclusiveMin'>;

export const bool: ArgType = { kind: 'bool', optional: false };
export const string: ArgType = { kind: 'string', optional: false };
export const list: ArgType = { kind: 'list', optional: true };
export const texts: ArgType = { kind: 'texts', optional: true };
export const numbers: ArgType = { kind: 'numbers', optional: true };
export const dict: ArgType = { kind: 'dict', optional: true };
export const pathOrBool: ArgType = { kind: 'path_or_bool', optional: true };

export function int(min?: number, max?: number): ArgType {
  return { kind: 'int', optional: false, min, max };
}

export function float(range: Range = {}): ArgType {
  return { kind: 'float', optional: false, ...range };
}

export function choice(...choices: string[]): ArgType {
  return { kind: 'enum', optional: false, choices };
}

export function optional(type: ArgType): ArgType {
  return { ...type, optional: true };
}

type Row = Omit<ArgKey, 'group'>;

/** A key that fills the field of the same name in TrainArgs; null as default means derived or required. */
export function supported<K extends keyof TrainArgs>(
  name: K,
  type: ArgType,
  value: TrainArgs[K] | null,
  meaning: string,
  refusedValues?: Readonly<Record<string, string>>,
): Row {
  return { name, type, default: value, meaning, status: 'supported', refusedValues };
}

/** A key that is accepted because no value of it can change the result here. */
export function noEffect(name: string, type: ArgType, value: unknown, meaning: string, why: string): Row {
  return { name, type, default: value, meaning, status: 'no_effect', why };
}

/** A key that is refused, with the reason, unless it keeps its default or one of the harmless values. */
export function refused(
  name: string,
  type: ArgType,
  value: unknown,
  meaning: string,
  why: string,
  harmless?: readonly unknown[],
): Row {
  return { name, type, default: value, meaning, status: 'refused', why, harmless };
}

/** A key that is refused whatever its value. */
export function neverAllowed(name: string, type: ArgType, value: unknown, meaning: string, why: string): Row {
  return { name, type, default: value, meaning, status: 'refused', why, refuseDefault: true };
}

export function inGroup(group: ArgGroup, rows: Row[]): ArgKey[] {
  return rows.map((row) => ({ ...row, group }));
}

/** The type in words, for help pages and error messages. */
export function describeType(type: ArgType): string {
  const word = {
    bool: 'true or false',
    int: 'a whole number',
    float: 'a number',
    string: 'a text',
    enum: `one of ${(type.choices ?? []).join(', ')}`,
    list: 'a comma list',
    texts: 'a list of texts',
    numbers: 'a comma list of numbers',
    dict: 'a JSON object',
    path_or_bool: 'a path, or true or false',
  }[type.kind];
  const range = [
    type.min === undefined ? '' : `${type.exclusiveMin ? 'above' : 'at least'} ${type.min}`,
    type.max === undefined ? '' : `at most ${type.max}`,
  ].filter((part) => part !== '');
  return range.length === 0 ? word : `${word}, ${range.join(' and ')}`;
}

/** A key that one command takes beside those of training. */
export function commandKey(name: string, type: ArgKey['type'], value: unknown, meaning: string): ArgKey {
  return { name, group: 'command', type, default: value, meaning, status: 'supported' };
}
