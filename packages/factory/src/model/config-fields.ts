// In: a parsed config.json and where it came from. Out: its values by key, with the right type, range and default.
// Every wrong value is a MODEL_BAD_CONFIG that names file, key, expected and found. It knows no architecture.
import { FactoryError } from '#factory/errors.ts';

export interface ConfigFields {
  /** What messages call the file. */
  readonly file: string;
  readonly raw: Readonly<Record<string, unknown>>;
  has(key: string): boolean;
  /** A whole number in [min, max]. Without `fallback` the key is required; null counts as absent. */
  integer(key: string, range: { min?: number; max: number; fallback?: number }): number;
  /** A finite number in [min, max]. */
  number(key: string, range: { min?: number; max?: number; fallback?: number }): number;
  boolean(key: string, fallback: boolean): boolean;
  text(key: string, fallback: string): string;
  /** The fields below an object value, or null where it is absent or empty. */
  object(key: string): ConfigFields | null;
  /** The error for a value that is wrong in a way only the caller knows. */
  bad(key: string, expected: string): FactoryError;
}

export function configFields(
  raw: Readonly<Record<string, unknown>>,
  file: string,
  prefix = '',
): ConfigFields {
  const has = (key: string) => Object.hasOwn(raw, key) && raw[key] !== null && raw[key] !== undefined;

  function bad(key: string, expected: string): FactoryError {
    const found = has(key) ? JSON.stringify(raw[key]).slice(0, 120) : 'nothing';
    return new FactoryError({
      code: 'MODEL_BAD_CONFIG',
      message: `${file}: ${prefix}${key}: expected ${expected}, found ${found}`,
      remedy: `Correct ${prefix}${key} in ${file}, or get the model's folder again from where it came from.`,
      details: { file, key: `${prefix}${key}` },
    });
  }

  function number(
    key: string,
    { min = -Number.MAX_VALUE, max = Number.MAX_VALUE, fallback }: NumberRange,
  ): number {
    if (!has(key) && fallback !== undefined) return fallback;
    const value = raw[key];
    if (typeof value !== 'number' || !(value >= min && value <= max)) {
      throw bad(key, `a number ${describeRange(min, max)}`);
    }
    return value;
  }

  return {
    file,
    raw,
    has,
    bad,
    number,
    integer(key, { min = 1, max, fallback }) {
      if (!has(key) && fallback !== undefined) return fallback;
      const value = raw[key];
      if (!Number.isInteger(value) || !((value as number) >= min && (value as number) <= max)) {
        throw bad(key, `a whole number ${describeRange(min, max)}`);
      }
      return value as number;
    },
    boolean(key, fallback) {
      if (!has(key)) return fallback;
      if (typeof raw[key] !== 'boolean') throw bad(key, 'true or false');
      return raw[key];
    },
    text(key, fallback) {
      if (!has(key)) return fallback;
      if (typeof raw[key] !== 'string') throw bad(key, 'text');
      return raw[key];
    },
    object(key) {
      if (!has(key)) return null;
      const value = raw[key];
      if (typeof value !== 'object' || Array.isArray(value)) throw bad(key, 'an object');
      const inner = value as Record<string, unknown>;
      return Object.keys(inner).length > 0 ? configFields(inner, file, `${prefix}${key}.`) : null;
    },
  };
}

type NumberRange = { min?: number; max?: number; fallback?: number };

function describeRange(min: number, max: number): string {
  if (min === -Number.MAX_VALUE) return max === Number.MAX_VALUE ? '' : `of at most ${max}`;
  return max === Number.MAX_VALUE ? `of at least ${min}` : `from ${min} to ${max}`;
}
