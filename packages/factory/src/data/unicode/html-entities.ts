// In: text. Out: text without HTML entities that end in a semicolon: the names of HTML5, those names in capitals where they
// mean nothing else (P&EACUTE;REZ), and numeric references. Whether the text is HTML, where entities must stay, is for
// the caller to know. After ftfy 6.3.1 and Python's html.unescape.
import { decodeHTML, decodeHTMLStrict } from 'entities';

const ENTITY = /&#?[0-9A-Za-z]{1,24};/g;

const cache = new Map<string, string>();

export function unescapeHtml(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(ENTITY, (entity) => {
    if (entity.charCodeAt(1) === 0x23) return numericReference(entity);
    let decoded = cache.get(entity);
    if (decoded === undefined) {
      decoded = namedReference(entity);
      // Every other name comes from the text, and there may be millions.
      if (decoded !== entity) cache.set(entity, decoded);
    }
    return decoded;
  });
}

function namedReference(entity: string): string {
  const decoded = decodeHTMLStrict(entity);
  if (decoded !== entity) return decoded;
  const lower = entity.toLowerCase();
  if (lower === entity || entity !== entity.toUpperCase()) return entity;
  const lowerDecoded = decodeHTMLStrict(lower);
  // Names of the old kind that need no semicolon make the capitals ambiguous: &LTCC; starts with &LT.
  return lowerDecoded !== lower && decodeHTML(entity) === entity ? lowerDecoded.toUpperCase() : entity;
}

/** What HTML decodes 80 to 9F to, where that differs from Latin-1. */
const WINDOWS_1252 = '€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ';

function numericReference(entity: string): string {
  const digits = /^&#(?:([0-9]+)|[xX]([0-9a-fA-F]+));$/.exec(entity);
  if (digits === null) return entity;
  const code = digits[1] === undefined ? Number.parseInt(digits[2]!, 16) : Number(digits[1]);
  if (code === 0 || (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff) return '\ufffd';
  if (code === 0x0d) return '\r';
  if (code >= 0x80 && code <= 0x9f) return WINDOWS_1252[code - 0x80]!;
  // Controls and noncharacters vanish.
  if (code < 9 || code === 0x0b || (code > 0x0d && code < 0x20) || code === 0x7f) return '';
  if ((code >= 0xfdd0 && code <= 0xfdef) || (code & 0xfffe) === 0xfffe) return '';
  // A reference to the semicolon itself stays: ftfy takes it for one that was only half understood.
  return code === 0x3b ? entity : String.fromCodePoint(code);
}
