// In: text. Out: the bytes it would be in a single-byte code page, and back. The pages are those that mojibake is made
// with: bytes that a Windows page leaves open stand for themselves ("sloppy", as browsers decode), and U+FFFD is byte
// 1A there, so that what an earlier program lost can still take part. No guessing here: see fix-encoding.ts.

/** In the order in which they are tried; the names are ftfy's, so that plans read the same. */
export const CODE_PAGE_NAMES = [
  'latin-1',
  'sloppy-windows-1252',
  'sloppy-windows-1251',
  'sloppy-windows-1250',
  'sloppy-windows-1253',
  'sloppy-windows-1254',
  'sloppy-windows-1257',
  'iso-8859-2',
  'macroman',
  'cp437',
] as const;

export type CodePageName = (typeof CODE_PAGE_NAMES)[number];

/** Bytes 80 to FF of code page 437, which WHATWG decoders do not know. */
const CP437 =
  'ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐' +
  '└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0';

const LABELS: Partial<Record<CodePageName, string>> = {
  'sloppy-windows-1252': 'windows-1252',
  'sloppy-windows-1251': 'windows-1251',
  'sloppy-windows-1250': 'windows-1250',
  'sloppy-windows-1253': 'windows-1253',
  'sloppy-windows-1254': 'windows-1254',
  'sloppy-windows-1257': 'windows-1257',
  'iso-8859-2': 'iso-8859-2',
  macroman: 'macintosh',
};

const REPLACEMENT = 0xfffd;
/** SUBSTITUTE, the byte that stands for U+FFFD in the sloppy pages. */
const SUBSTITUTE = 0x1a;

interface CodePage {
  /** Code unit of each byte. */
  decode: Uint16Array;
  /** Byte of each code unit that is not its own byte. */
  encode: Map<number, number>;
  /** Matches text that has a byte for every character. */
  fits: RegExp;
}

function upperHalf(name: CodePageName): string {
  if (name === 'cp437') return CP437;
  const bytes = Uint8Array.from({ length: 128 }, (_, i) => 0x80 + i);
  const label = LABELS[name];
  return label === undefined ? String.fromCharCode(...bytes) : new TextDecoder(label).decode(bytes);
}

function buildPage(name: CodePageName): CodePage {
  const decode = Uint16Array.from({ length: 256 }, (_, byte) => byte);
  const upper = upperHalf(name);
  for (let i = 0; i < 128; i++) {
    const unit = upper.charCodeAt(i);
    if (unit !== REPLACEMENT) decode[0x80 + i] = unit;
  }
  if (name.startsWith('sloppy')) decode[SUBSTITUTE] = REPLACEMENT;
  const encode = new Map<number, number>();
  let own = '';
  for (let byte = 0; byte < 256; byte++) {
    const unit = decode[byte]!;
    encode.set(unit, byte);
    if (byte >= 0x80 || byte === SUBSTITUTE) own += `\\u${unit.toString(16).padStart(4, '0')}`;
  }
  return { decode, encode, fits: new RegExp(`^[\\x00-\\x19\\x1b-\\x7f${own}]*$`) };
}

const pages = new Map<CodePageName, CodePage>();

function page(name: CodePageName): CodePage {
  let found = pages.get(name);
  if (found === undefined) {
    found = buildPage(name);
    pages.set(name, found);
  }
  return found;
}

/** Whether every character has a byte in the page. */
export function fitsCodePage(text: string, name: CodePageName): boolean {
  return page(name).fits.test(text);
}

/** For text that `fitsCodePage`. */
export function toCodePage(text: string, name: CodePageName): Uint8Array {
  const { encode } = page(name);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = encode.get(text.charCodeAt(i)) ?? SUBSTITUTE;
  return bytes;
}

/** The characters of a range of bytes, ends included. */
export function charactersOf(name: CodePageName, first: number, last: number): string {
  return String.fromCharCode(...page(name).decode.subarray(first, last + 1));
}
