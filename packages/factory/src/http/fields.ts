// In: a JSON value of a request and where it stands. Out: its fields with the type that is expected, or the error that OpenAI's
// API gives, which names the field. Null counts as not given, as it does there.
import { badRequest } from './api-error.ts';

export interface Fields {
  /** The field's place in the request, as `messages[0].content`. */
  path(name: string): string;
  has(name: string): boolean;
  raw(name: string): unknown;
  names(): string[];
  text(name: string): string | null;
  bool(name: string): boolean | null;
  number(name: string, min: number, max: number): number | null;
  int(name: string, min: number, max: number): number | null;
  list(name: string): unknown[] | null;
  object(name: string): Fields | null;
}

export function fieldsOf(value: unknown, at: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw wrongType(at || null, 'an object', value);
  const record = value as Record<string, unknown>;
  const path = (name: string) => (at === '' ? name : `${at}.${name}`);
  const raw = (name: string) => (Object.hasOwn(record, name) ? (record[name] ?? null) : null);
  const typed = <T>(name: string, expected: string, isIt: (one: unknown) => one is T): T | null => {
    const found = raw(name);
    if (found !== null && !isIt(found)) throw wrongType(path(name), expected, found);
    return found as T | null;
  };
  const isNumber = (one: unknown): one is number => typeof one === 'number' && Number.isFinite(one);
  const inRange = (name: string, found: number | null, min: number, max: number) => {
    if (found === null || (found >= min && found <= max)) return found;
    const isLow = found < min;
    const kind = Number.isInteger(found) ? 'integer' : 'decimal';
    throw badRequest(
      path(name),
      `Invalid '${path(name)}': ${kind} ${isLow ? 'below minimum' : 'above maximum'} value. Expected a value ${isLow ? `>= ${min}` : `<= ${max}`}, but got ${found} instead.`,
      `${kind}_${isLow ? 'below_min' : 'above_max'}_value`,
    );
  };
  return {
    path,
    raw,
    has: (name) => raw(name) !== null,
    names: () => Object.keys(record),
    text: (name) => typed(name, 'a string', (one): one is string => typeof one === 'string'),
    bool: (name) => typed(name, 'a boolean', (one): one is boolean => typeof one === 'boolean'),
    number: (name, min, max) => inRange(name, typed(name, 'a decimal', isNumber), min, max),
    int: (name, min, max) =>
      inRange(
        name,
        typed(name, 'an integer', (one): one is number => Number.isSafeInteger(one)),
        min,
        max,
      ),
    list: (name) => typed(name, 'an array', (one): one is unknown[] => Array.isArray(one)),
    object(name) {
      const found = raw(name);
      return found === null ? null : fieldsOf(found, path(name));
    },
  };
}

/** `given` is a field's value, or null where it is missing. */
export function needed<T>(fields: Fields, name: string, given: T | null): T {
  if (given === null)
    throw badRequest(
      fields.path(name),
      `Missing required parameter: '${fields.path(name)}'.`,
      'missing_required_parameter',
    );
  return given;
}

export function wrongType(param: string | null, expected: string, found: unknown): Error {
  const where = param === null ? 'the request body' : `'${param}'`;
  return badRequest(
    param,
    `Invalid type for ${where}: expected ${expected}, but got ${named(found)} instead.`,
    'invalid_type',
  );
}

export function wrongValue(param: string, found: unknown, allowed: readonly string[]): Error {
  return badRequest(
    param,
    `Invalid value: ${short(found)}. Supported values are: ${allowed.map((one) => `'${one}'`).join(', ')}.`,
    'invalid_value',
  );
}

/** What this API knows and cannot do is refused by name: an answer without it would be another answer. */
export function refuseUnknown(
  fields: Fields,
  known: ReadonlySet<string>,
  unsupported: Readonly<Record<string, string>>,
): void {
  for (const name of fields.names()) {
    if (known.has(name) || !fields.has(name)) continue;
    const path = fields.path(name);
    const why = Object.hasOwn(unsupported, name) ? unsupported[name] : null;
    if (why !== null)
      throw badRequest(path, `Unsupported parameter: '${path}' ${why}.`, 'unsupported_parameter');
    throw badRequest(path, `Unknown parameter: '${path}'.`, 'unknown_parameter');
  }
}

function named(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'an integer' : 'a decimal';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

function short(value: unknown): string {
  const text = typeof value === 'string' ? `'${value}'` : (JSON.stringify(value) ?? String(value));
  return text.length > 100 ? `${text.slice(0, 97)}...` : text;
}
