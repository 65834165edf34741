// In: text. Out: the text as Python's unicode-escape codec reads it: \n, \x41, \u4f60, octal and all. One escape that Python
// refuses leaves the whole text as it was. Named escapes (\N{...}) count as refused: the names of Unicode are not here.

const SINGLE: Record<string, string> = {
  '\n': '',
  '\\': '\\',
  "'": "'",
  '"': '"',
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};
const DIGITS: Record<string, number> = { x: 2, u: 4, U: 8 };
const ESCAPE = /\\(?:([0-7]{1,3})|([xuU])([0-9a-fA-F]*)|([\s\S])|$)/gu;

export function decodePythonEscapes(text: string): string {
  if (!text.includes('\\')) return text;
  let isRefused = false;
  const decoded = text.replace(
    ESCAPE,
    (whole, octal?: string, kind?: string, hex?: string, single?: string) => {
      if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8));
      if (kind !== undefined) {
        const length = DIGITS[kind]!;
        const code = Number.parseInt(hex!.slice(0, length), 16);
        if (hex!.length >= length && code <= 0x10ffff) return String.fromCodePoint(code) + hex!.slice(length);
      } else if (single !== undefined && single !== 'N') return SINGLE[single] ?? whole;
      isRefused = true;
      return whole;
    },
  );
  return isRefused ? text : decoded;
}
