// In: a JSON schema. Out: a grammar in llama.cpp's notation (GBNF) whose texts all satisfy the schema. What it cannot say is refused by
// the keyword's name, never dropped. Where a schema leaves things open (further properties, order), the grammar takes one way.
import { FactoryError } from '#factory/errors.ts';

type Schema = Readonly<Record<string, unknown>>;

/** Rules of JSON itself; `value` is any. */
export const JSON_RULES: readonly string[] = [
  'value ::= object | array | string | number | boolean | null',
  'object ::= "{" ws ( string ":" ws value ( "," ws string ":" ws value )* ws )? "}"',
  'array ::= "[" ws ( value ( "," ws value )* ws )? "]"',
  'string ::= "\\"" char* "\\""',
  'char ::= [^"\\\\\\x7F\\x00-\\x1F] | "\\\\" ( ["\\\\/bfnrt] | "u" hex hex hex hex )',
  'hex ::= [0-9a-fA-F]',
  'integer ::= "-"? ( "0" | [1-9] [0-9]{0,15} )',
  'number ::= integer ( "." [0-9]{1,16} )? ( [eE] [-+]? [0-9]{1,3} )?',
  'boolean ::= "true" | "false"',
  'null ::= "null"',
  // Bounded, or a model that likes white space would never come to an end.
  'ws ::= ( " " | "\\n" [ \\t]{0,20} )?',
  'date ::= [0-9]{4} "-" ( "0" [1-9] | "1" [0-2] ) "-" ( "0" [1-9] | [12] [0-9] | "3" [01] )',
  'time ::= ( [01] [0-9] | "2" [0-3] ) ":" [0-5] [0-9] ":" [0-5] [0-9] ( "." [0-9]{3} )? ( "Z" | [-+] [0-2] [0-9] ":" [0-5] [0-9] )',
  'uuid ::= hex{8} "-" hex{4} "-" hex{4} "-" hex{4} "-" hex{12}',
];

const FORMATS: Readonly<Record<string, string>> = {
  date: 'date',
  time: 'time',
  'date-time': 'date "T" time',
  uuid: 'uuid',
};

/** Say something about a value without restricting it. */
const ANNOTATIONS = new Set([
  ...['title', 'description', 'default', 'examples', 'deprecated', 'readOnly', 'writeOnly'],
  ...['$schema', '$id', '$comment', '$anchor', '$defs', 'definitions', 'strict'],
]);

/** Keywords that are looked at, by the type of the value that they restrict. */
const OF_TYPE: Readonly<Record<string, readonly string[]>> = {
  object: ['properties', 'required', 'additionalProperties'],
  array: ['items', 'prefixItems', 'minItems', 'maxItems'],
  string: ['minLength', 'maxLength', 'format'],
  number: [],
  integer: [],
  boolean: [],
  null: [],
};

/** llama.cpp unrolls repetitions, so a long one would be a rule per character. */
const MOST_REPEATS = 1000;
const DEEPEST = 64;

export function schemaGrammar(schema: unknown): string {
  const rules = new Map<string, string>();
  const refs = new Map<string, string>();
  let depth = 0;

  const define = (body: string): string => {
    const name = `r${rules.size}`;
    rules.set(name, body);
    return name;
  };

  /** The name of a rule, or an expression in brackets, for a schema. */
  function rule(at: unknown, path: string): string {
    if (at === true) return 'value';
    if (at === false) throw cannot('false', path, 'it allows no value');
    if (!isObject(at)) throw cannot('schema', path, 'it is no object');
    if (++depth > DEEPEST) throw cannot('schema', path, `it is nested more than ${DEEPEST} deep`);
    try {
      return define(bodyOf(at, path));
    } finally {
      depth--;
    }
  }

  function bodyOf(at: Schema, path: string): string {
    if ('$ref' in at) {
      only(at, ['$ref'], path);
      return refRule(at.$ref, path);
    }
    if ('const' in at) {
      only(at, ['const', 'type'], path);
      return literal(at.const);
    }
    if ('enum' in at) {
      only(at, ['enum', 'type'], path);
      if (!Array.isArray(at.enum) || at.enum.length === 0) throw cannot('enum', path, 'it lists no value');
      return at.enum.map(literal).join(' | ');
    }
    for (const key of ['anyOf', 'oneOf'] as const) {
      if (!(key in at)) continue;
      only(at, [key], path);
      return listOf(at[key], key, path)
        .map((one, i) => rule(one, `${path}/${key}/${i}`))
        .join(' | ');
    }
    if ('allOf' in at) {
      only(at, ['allOf'], path);
      const parts = listOf(at.allOf, 'allOf', path);
      if (parts.length !== 1) throw cannot('allOf', path, 'it joins several schemas');
      return rule(parts[0], `${path}/allOf/0`);
    }
    const types = typesOf(at, path);
    if (types === null) {
      only(at, [], path);
      return 'value';
    }
    only(at, ['type', ...types.flatMap((type) => OF_TYPE[type])], path);
    return types.map((type) => typeBody(type, at, path)).join(' | ');
  }

  function typeBody(type: string, at: Schema, path: string): string {
    if (type === 'object') return objectBody(at, path);
    if (type === 'array') return arrayBody(at, path);
    if (type === 'string') return stringBody(at, path);
    return type;
  }

  function objectBody(at: Schema, path: string): string {
    const properties = at.properties ?? {};
    if (!isObject(properties)) throw cannot('properties', path, 'it is no object');
    const required = at.required === undefined ? [] : listOf(at.required, 'required', path, true);
    const names = Object.keys(properties);
    for (const name of required)
      if (!names.includes(name as string))
        throw cannot('required', path, `it names "${name}", which "properties" lacks`);
    if (names.length === 0) {
      const more = at.additionalProperties ?? true;
      if (more === false) return '"{" ws "}"';
      if (more === true) return 'object';
      const pair = `string ":" ws ${rule(more, `${path}/additionalProperties`)}`;
      return `"{" ws ( ${pair} ( "," ws ${pair} )* ws )? "}"`;
    }
    const pairs = names.map((name) => {
      const value = rule(properties[name], `${path}/properties/${name}`);
      return define(`${literal(name)} ":" ws ${value}`);
    });
    return `"{" ws ${sequence(
      pairs,
      names.map((name) => required.includes(name)),
    )} ws "}"`;
  }

  /** Pairs in their order, those that are optional left out at will, with commas between. */
  function sequence(pairs: readonly string[], isNeeded: readonly boolean[]): string {
    // `rest` follows a pair, `start` begins the object: both from the pair `i` on.
    let rest = '';
    let start = '';
    for (let i = pairs.length - 1; i >= 0; i--) {
      const taken = `${pairs[i]}${rest && ` ${rest}`}`;
      const next = start;
      start = isNeeded[i] ? taken : next ? define(`${taken} | ${next}`) : `( ${taken} )?`;
      const after = `"," ws ${taken}`;
      rest = isNeeded[i] ? after : rest ? define(`${after} | ${rest}`) : `( ${after} )?`;
    }
    return start;
  }

  function arrayBody(at: Schema, path: string): string {
    const first = at.prefixItems === undefined ? [] : listOf(at.prefixItems, 'prefixItems', path);
    const least = countOf(at.minItems, 'minItems', path) ?? 0;
    const most = countOf(at.maxItems, 'maxItems', path);
    if (most !== null && most < least) throw cannot('maxItems', path, 'it is less than "minItems"');
    const item =
      at.items === undefined ? 'value' : at.items === false ? null : rule(at.items, `${path}/items`);
    if (first.length === 0) {
      if (item === null || most === 0) return '"[" ws "]"';
      const more = `( "," ws ${item} )${repeat(Math.max(0, least - 1), most === null ? null : most - 1)}`;
      return least === 0 ? `"[" ws ( ${item} ${more} ws )? "]"` : `"[" ws ${item} ${more} ws "]"`;
    }
    // Places that are described are all filled; what may follow them is left out as far as "minItems" allows.
    if (most !== null && most < first.length)
      throw cannot('maxItems', path, 'it is less than "prefixItems" has');
    const places = first.map((one, i) => rule(one, `${path}/prefixItems/${i}`));
    const extra = Math.max(0, least - first.length);
    if (extra > 0 && item === null) throw cannot('minItems', path, '"items" allows none after "prefixItems"');
    const more =
      item === null ? '' : ` ( "," ws ${item} )${repeat(extra, most === null ? null : most - first.length)}`;
    return `"[" ws ${places.join(' "," ws ')}${more} ws "]"`;
  }

  function stringBody(at: Schema, path: string): string {
    if (at.format !== undefined) {
      const body =
        typeof at.format === 'string' && Object.hasOwn(FORMATS, at.format) ? FORMATS[at.format] : null;
      if (body === null)
        throw cannot(`format: ${at.format}`, path, `known are ${Object.keys(FORMATS).join(', ')}`);
      if (at.minLength !== undefined || at.maxLength !== undefined)
        throw cannot('minLength', path, 'it stands beside "format"');
      return `"\\"" ${body} "\\""`;
    }
    const least = countOf(at.minLength, 'minLength', path) ?? 0;
    const most = countOf(at.maxLength, 'maxLength', path);
    if (most !== null && most < least) throw cannot('maxLength', path, 'it is less than "minLength"');
    return least === 0 && most === null ? 'string' : `"\\"" char${repeat(least, most)} "\\""`;
  }

  function refRule(ref: unknown, path: string): string {
    if (typeof ref !== 'string' || !ref.startsWith('#'))
      throw cannot(`$ref: ${ref}`, path, 'it leaves the schema');
    const known = refs.get(ref);
    if (known) return known;
    const name = `ref${refs.size}`;
    refs.set(ref, name);
    let target: unknown = schema;
    for (const part of ref.split('/').slice(1)) {
      const key = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~');
      target = isObject(target) && Object.hasOwn(target, key) ? target[key] : undefined;
    }
    if (target === undefined) throw cannot(`$ref: ${ref}`, path, 'it leads nowhere');
    rules.set(name, rule(target, ref));
    return name;
  }

  const root = rule(schema, '#');
  return [`root ::= ${root}`, ...[...rules].map(([name, body]) => `${name} ::= ${body}`), ...JSON_RULES].join(
    '\n',
  );
}

function only(at: Schema, keywords: readonly string[], path: string): void {
  for (const key of Object.keys(at))
    if (!ANNOTATIONS.has(key) && !keywords.includes(key)) throw cannot(key, path, 'no grammar is made of it');
}

/** Null where nothing restricts the type. */
function typesOf(at: Schema, path: string): string[] | null {
  if (at.type === undefined) {
    const implied = Object.keys(OF_TYPE).find((type) => OF_TYPE[type].some((key) => key in at));
    return implied === undefined ? null : [implied];
  }
  const types = (Array.isArray(at.type) ? at.type : [at.type]) as unknown[];
  const wrong = types.find((type) => typeof type !== 'string' || !Object.hasOwn(OF_TYPE, type));
  if (types.length === 0 || wrong !== undefined)
    throw cannot(`type: ${wrong ?? '[]'}`, path, 'it is no type of JSON');
  return types as string[];
}

function listOf(value: unknown, key: string, path: string, mayBeEmpty = false): unknown[] {
  if (!Array.isArray(value) || (value.length === 0 && !mayBeEmpty)) throw cannot(key, path, 'it is no list');
  return value;
}

function countOf(value: unknown, key: string, path: string): number | null {
  if (value === undefined) return null;
  if (!Number.isInteger(value) || (value as number) < 0) throw cannot(key, path, 'it is no count');
  if ((value as number) > MOST_REPEATS)
    throw cannot(`${key}: ${value}`, path, `it is more than ${MOST_REPEATS}`);
  return value as number;
}

function repeat(least: number, most: number | null): string {
  if (most === null) return least === 0 ? '*' : `{${least},}`;
  return `{${least},${most}}`;
}

/** JSON text as a literal of the grammar. */
const literal = (value: unknown): string => JSON.stringify(JSON.stringify(value));

const isObject = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function cannot(keyword: string, path: string, why: string): FactoryError {
  return new FactoryError({
    code: 'SERVE_ASK',
    message: `The answer cannot be held to "${keyword}" at ${path} of the JSON schema: ${why}`,
    remedy: 'Leave the keyword out and check the answer yourself, or write the schema without it.',
    details: { parameter: 'response_format' },
  });
}
