// In: a JSON value. Out: its text as Python's `json.dumps` writes it, so that our files and the Python trainers' compare
// equal line by line. Differs in one point: NaN and infinities become null, because they are not JSON.

export interface PythonJsonStyle {
  /** Spaces per level; null writes one line with `, ` and `: `. */
  indent: number | null;
  sortKeys: boolean;
  /** Keys whose numbers are floats in Python: 3 is written as 3.0. */
  floatKeys: ReadonlySet<string>;
}

export function pythonJson(value: unknown, style: PythonJsonStyle): string {
  return write(value, style, false, 0);
}

function write(value: unknown, style: PythonJsonStyle, isFloat: boolean, depth: number): string {
  if (typeof value === 'number') return pythonNumber(value, isFloat);
  if (typeof value === 'string') return pythonString(value);
  if (value === null || typeof value !== 'object') return value === undefined ? 'null' : String(value);
  if (Array.isArray(value)) {
    const items = value.map((item) => write(item, style, isFloat, depth + 1));
    return enclose('[', items, ']', style, depth);
  }
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  if (style.sortKeys) entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const items = entries.map(
    ([key, item]) => `${pythonString(key)}: ${write(item, style, style.floatKeys.has(key), depth + 1)}`,
  );
  return enclose('{', items, '}', style, depth);
}

function enclose(
  open: string,
  items: string[],
  close: string,
  style: PythonJsonStyle,
  depth: number,
): string {
  if (items.length === 0) return open + close;
  if (style.indent === null) return open + items.join(', ') + close;
  const pad = ' '.repeat(style.indent);
  return `${open}\n${pad.repeat(depth + 1)}${items.join(`,\n${pad.repeat(depth + 1)}`)}\n${pad.repeat(depth)}${close}`;
}

/** Python's repr of a float (exponent below 1e-4 and from 1e16 on, two digits at least), or of an int. */
export function pythonNumber(value: number, isFloat: boolean): string {
  if (!Number.isFinite(value)) return 'null';
  if (Number.isInteger(value) && !isFloat && Math.abs(value) < 2 ** 53)
    return String(value === 0 ? 0 : value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e16)) {
    const [digits, exponent] = value.toExponential().split('e');
    return `${digits}e${exponent[0]}${exponent.slice(1).padStart(2, '0')}`;
  }
  const text = Object.is(value, -0) ? '-0' : String(value);
  return text.includes('.') ? text : `${text}.0`;
}

function pythonString(text: string): string {
  return JSON.stringify(text).replace(
    /[\u007f-\uffff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
