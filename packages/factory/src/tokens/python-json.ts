// In: JSON text. Out: its value and its text again, spelled as Python's json module spells it.
// Tool texts are trained in Python's spelling (", " and ": ", 1.0 stays 1.0, keys keep their order), so JSON.parse and
// JSON.stringify would give other tokens. Bad input gives undefined; nothing here throws.

/** A number by its Python spelling: `1`, `1.0`, `1e-05`, `NaN`. */
export interface JsonNumber {
  number: string;
}

/** Objects are Maps: their keys keep the order of the text, even keys that look like numbers. */
export type Json = null | boolean | string | JsonNumber | Json[] | Map<string, Json>;

/** Deeper nesting is refused, as Python's recursion limit does. */
const MAX_DEPTH = 500;

/** Reads what `json.loads` reads, NaN and Infinity included. */
export function parsePythonJson(text: string): Json | undefined {
  const reader = { text, at: 0 };
  const value = readValue(reader, 0);
  if (value === undefined) return undefined;
  skipSpace(reader);
  return reader.at === text.length ? value : undefined;
}

/** `json.dumps(value, ensure_ascii=False)`, or with `indent` spaces per level. */
export function dumpPythonJson(value: Json, indent?: number): string {
  return dump(value, indent, '');
}

/** `str(value)`: text as it is, everything else as Python's repr. */
export function pythonStr(value: Json): string {
  return typeof value === 'string' ? value : pythonRepr(value);
}

/** Python's truth of a JSON value: null, false, 0, "" and empty containers are false. */
export function isTruthy(value: Json | undefined): boolean {
  if (value === undefined || value === null || value === false || value === '') return false;
  if (Array.isArray(value)) return value.length > 0;
  if (value instanceof Map) return value.size > 0;
  if (typeof value === 'object') return Number(value.number) !== 0;
  return true;
}

interface Reader {
  text: string;
  at: number;
}

const SPACE = /[ \t\n\r]*/y;
const NUMBER = /(-?(?:0|[1-9][0-9]*))(\.[0-9]+)?([eE][-+]?[0-9]+)?/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: raw control characters are not allowed inside JSON strings
const PLAIN_TEXT = /[^"\\\u0000-\u001f]*/y;
const LITERALS: [string, Json][] = [
  ['null', null],
  ['true', true],
  ['false', false],
  ['NaN', { number: 'NaN' }],
  ['Infinity', { number: 'Infinity' }],
  ['-Infinity', { number: '-Infinity' }],
];
const ESCAPES: Record<string, string> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

function match(reader: Reader, pattern: RegExp): RegExpExecArray | null {
  pattern.lastIndex = reader.at;
  const found = pattern.exec(reader.text);
  if (found) reader.at += found[0].length;
  return found;
}

function skipSpace(reader: Reader): void {
  match(reader, SPACE);
}

function readValue(reader: Reader, depth: number): Json | undefined {
  if (depth > MAX_DEPTH) return undefined;
  skipSpace(reader);
  const first = reader.text[reader.at];
  if (first === '"') return readString(reader);
  if (first === '[') return readList(reader, depth);
  if (first === '{') return readObject(reader, depth);
  for (const [word, value] of LITERALS) {
    if (reader.text.startsWith(word, reader.at)) {
      reader.at += word.length;
      return value;
    }
  }
  const found = match(reader, NUMBER);
  if (!found) return undefined;
  const isInteger = found[2] === undefined && found[3] === undefined;
  if (isInteger) return { number: found[1] === '-0' ? '0' : (found[1] as string) };
  return { number: pythonFloat(Number(found[0])) };
}

function readString(reader: Reader): string | undefined {
  reader.at++;
  let out = '';
  for (;;) {
    out += match(reader, PLAIN_TEXT)?.[0] ?? '';
    const stop = reader.text[reader.at];
    if (stop === '"') {
      reader.at++;
      return out;
    }
    if (stop !== '\\') return undefined;
    const kind = reader.text[reader.at + 1] ?? '';
    if (kind === 'u') {
      const digits = reader.text.slice(reader.at + 2, reader.at + 6);
      if (!/^[0-9a-fA-F]{4}$/.test(digits)) return undefined;
      out += String.fromCharCode(Number.parseInt(digits, 16));
      reader.at += 6;
    } else {
      const plain = Object.hasOwn(ESCAPES, kind) ? ESCAPES[kind] : undefined;
      if (plain === undefined) return undefined;
      out += plain;
      reader.at += 2;
    }
  }
}

function readList(reader: Reader, depth: number): Json[] | undefined {
  const out: Json[] = [];
  reader.at++;
  skipSpace(reader);
  if (reader.text[reader.at] === ']') {
    reader.at++;
    return out;
  }
  for (;;) {
    const value = readValue(reader, depth + 1);
    if (value === undefined) return undefined;
    out.push(value);
    skipSpace(reader);
    const next = reader.text[reader.at++];
    if (next === ']') return out;
    if (next !== ',') return undefined;
  }
}

function readObject(reader: Reader, depth: number): Map<string, Json> | undefined {
  const out = new Map<string, Json>();
  reader.at++;
  skipSpace(reader);
  if (reader.text[reader.at] === '}') {
    reader.at++;
    return out;
  }
  for (;;) {
    skipSpace(reader);
    if (reader.text[reader.at] !== '"') return undefined;
    const key = readString(reader);
    if (key === undefined) return undefined;
    skipSpace(reader);
    if (reader.text[reader.at++] !== ':') return undefined;
    const value = readValue(reader, depth + 1);
    if (value === undefined) return undefined;
    out.set(key, value);
    skipSpace(reader);
    const next = reader.text[reader.at++];
    if (next === '}') return out;
    if (next !== ',') return undefined;
  }
}

function dump(value: Json, indent: number | undefined, margin: string): string {
  if (value === null) return 'null';
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return quote(value);
  const isList = Array.isArray(value);
  if (!isList && !(value instanceof Map)) return value.number;
  const [open, close] = isList ? ['[', ']'] : ['{', '}'];
  const inner = indent === undefined ? '' : margin + ' '.repeat(indent);
  const items = isList
    ? value.map((item) => dump(item, indent, inner))
    : [...value].map(([key, item]) => `${quote(key)}: ${dump(item, indent, inner)}`);
  if (items.length === 0) return open + close;
  if (indent === undefined) return open + items.join(', ') + close;
  return `${open}\n${inner}${items.join(`,\n${inner}`)}\n${margin}${close}`;
}

function quote(text: string): string {
  // JSON.stringify escapes lone surrogates, which Python keeps; everything else is the same.
  return JSON.stringify(text).replace(/\\u(d[89ab][0-9a-f]{2}|d[c-f][0-9a-f]{2})/g, (whole, hex, at, all) =>
    isEscaped(all, at) ? whole : String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

/** Whether the backslash at `at` is itself escaped by an odd run of backslashes before it. */
function isEscaped(text: string, at: number): boolean {
  let before = 0;
  while (text[at - 1 - before] === '\\') before++;
  return before % 2 === 1;
}

/** Python's repr of a double: the shortest digits, an exponent below 1e-4 and from 1e16 on. */
export function pythonFloat(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? 'Infinity' : '-Infinity';
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0';
  const [mantissa, exponentText] = value.toExponential().split('e') as [string, string];
  const exponent = Number(exponentText);
  if (exponent < -4 || exponent >= 16) {
    const digits = String(Math.abs(exponent)).padStart(2, '0');
    return `${mantissa}e${exponent < 0 ? '-' : '+'}${digits}`;
  }
  const sign = value < 0 ? '-' : '';
  const digits = mantissa.replace(/[-.]/g, '');
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0');
  return `${sign}${whole}.${digits.slice(exponent + 1) || '0'}`;
}

const REPR_NUMBERS: Record<string, string> = { NaN: 'nan', Infinity: 'inf', '-Infinity': '-inf' };

function pythonRepr(value: Json): string {
  if (value === null) return 'None';
  if (value === true) return 'True';
  if (value === false) return 'False';
  if (typeof value === 'string') return reprText(value);
  if (Array.isArray(value)) return `[${value.map(pythonRepr).join(', ')}]`;
  if (value instanceof Map) {
    return `{${[...value].map(([key, item]) => `${reprText(key)}: ${pythonRepr(item)}`).join(', ')}}`;
  }
  return REPR_NUMBERS[value.number] ?? value.number;
}

function reprText(text: string): string {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  const named: Record<string, string> = {
    '\\': '\\\\',
    '\n': '\\n',
    '\r': '\\r',
    '\t': '\\t',
    [mark]: `\\${mark}`,
  };
  let out = '';
  for (const char of text) {
    const code = char.codePointAt(0) as number;
    if (named[char] !== undefined) out += named[char];
    else if (char === ' ' || !/[\p{C}\p{Z}]/u.test(char)) out += char;
    else if (code < 0x100) out += `\\x${code.toString(16).padStart(2, '0')}`;
    else if (code < 0x10000) out += `\\u${code.toString(16).padStart(4, '0')}`;
    else out += `\\U${code.toString(16).padStart(8, '0')}`;
  }
  return mark + out + mark;
}
