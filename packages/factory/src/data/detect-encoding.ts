// In: the first bytes of a text that are not all ASCII. Out: the encoding that they are in, or null. It decodes strictly, and where
// several encodings fit it looks at which of them gives the commoner characters. A byte order mark decides by itself.

export type Encoding = 'utf-8' | 'utf-16le' | 'utf-16be' | 'gb18030' | 'big5' | 'windows-1252';

/** Chinese text is mostly characters of the commoner half of its code table; chance hits are spread over all of it. */
const COMMON_SHARE = 0.6;
/** Western text has letters with marks here and there, hardly ever more. */
const MAX_WESTERN_SHARE = 0.3;

export function byteOrderMark(bytes: Uint8Array): Encoding | null {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be';
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return 'utf-8';
  return null;
}

/** `isEnd` tells that no byte follows, so that a character cut in two is an error. */
export function detectEncoding(bytes: Uint8Array, isEnd: boolean): Encoding | null {
  const mark = byteOrderMark(bytes);
  if (mark !== null) return mark;
  const sideways = zeroSide(bytes);
  if (sideways !== null) return decodes(bytes, sideways, isEnd) ? sideways : null;
  if (decodes(bytes, 'utf-8', isEnd)) return 'utf-8';
  const chinese = (['gb18030', 'big5'] as const)
    .filter((encoding) => decodes(bytes, encoding, isEnd))
    .map((encoding) => ({ encoding, share: commonShare(bytes, encoding) }))
    .sort((x, y) => y.share - x.share)[0];
  // High bytes of Chinese come in pairs; a lone one between ASCII is a Western letter.
  const western = westernShare(bytes);
  if (chinese !== undefined && chinese.share >= COMMON_SHARE && !western.isLonely) return chinese.encoding;
  return western.isText ? 'windows-1252' : null;
}

function decodes(bytes: Uint8Array, encoding: Encoding, isEnd: boolean): boolean {
  try {
    new TextDecoder(encoding, { fatal: true }).decode(bytes, { stream: !isEnd });
    return true;
  } catch {
    return false;
  }
}

/** UTF-16 without a mark: every other byte of Latin text is zero. */
function zeroSide(bytes: Uint8Array): Encoding | null {
  const zeros = [0, 0];
  const length = Math.min(bytes.length, 4096);
  for (let at = 0; at < length; at++) if (bytes[at] === 0) zeros[at % 2]!++;
  const enough = length / 8;
  if (zeros[1]! > enough && zeros[0]! * 10 < zeros[1]!) return 'utf-16le';
  return zeros[0]! > enough && zeros[1]! * 10 < zeros[0]! ? 'utf-16be' : null;
}

/**
 * Share of double-byte characters that are common: level 1 of GB 2312 (lead B0–D7) and level 1 of Big5 (lead A4–C6), and
 * the punctuation of both (lead A1–A3).
 */
function commonShare(bytes: Uint8Array, encoding: 'gb18030' | 'big5'): number {
  let common = 0;
  let all = 0;
  for (let at = 0; at < bytes.length; at++) {
    const lead = bytes[at]!;
    if (lead < 0x80) continue;
    const trail = bytes[at + 1] ?? 0;
    // Four-byte characters of GB 18030 have a digit in second place.
    const isLong = encoding === 'gb18030' && trail >= 0x30 && trail <= 0x39;
    at += isLong ? 3 : 1;
    all++;
    if (lead >= 0xa1 && lead <= 0xa3) common++;
    else if (encoding === 'big5') common += lead >= 0xa4 && lead <= 0xc6 ? 1 : 0;
    else common += lead >= 0xb0 && lead <= 0xd7 && trail >= 0xa1 ? 1 : 0;
  }
  return all === 0 ? 0 : common / all;
}

function westernShare(bytes: Uint8Array): { isText: boolean; isLonely: boolean } {
  let high = 0;
  let lonely = 0;
  let odd = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!;
    const isControl = byte < 0x20 && byte !== 9 && byte !== 10 && byte !== 13 && byte !== 12;
    // Five bytes stand for nothing in Windows-1252.
    if (isControl || byte === 0x81 || byte === 0x8d || byte === 0x8f || byte === 0x90 || byte === 0x9d) odd++;
    if (byte < 0x80) continue;
    high++;
    if ((bytes[at - 1] ?? 0) < 0x80 && (bytes[at + 1] ?? 0) < 0x80) lonely++;
  }
  return { isText: odd === 0 && high <= MAX_WESTERN_SHARE * bytes.length, isLonely: lonely * 2 > high };
}
