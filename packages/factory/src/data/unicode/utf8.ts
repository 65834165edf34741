// In: bytes that should be UTF-8. Out: their text, or null where they are not. Also the two mendings of bytes that come
// before decoding: spaces that were non-breaking ones, and sequences that lost a byte. After ftfy 6.3.1.

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function decodeUtf8(bytes: Uint8Array): string | null {
  try {
    return strict.decode(bytes);
  } catch {
    return null;
  }
}

/**
 * UTF-8 that also reads CESU-8 (characters beyond U+FFFF as two surrogates of three bytes each) and Java's U+0000
 * (C0 80). Single surrogates are errors, as in UTF-8.
 */
export function decodeUtf8Variants(bytes: Uint8Array): string | null {
  let text = '';
  let start = 0;
  const flush = (end: number) => {
    const part = start === end ? '' : decodeUtf8(bytes.subarray(start, end));
    if (part === null) return false;
    text += part;
    return true;
  };
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!;
    if (byte === 0xc0 && bytes[i + 1] === 0x80) {
      if (!flush(i)) return null;
      text += '\0';
      i += 1;
      start = i + 1;
    } else if (byte === 0xed && isSurrogate(bytes, i, 0xa0) && isSurrogate(bytes, i + 3, 0xb0)) {
      if (!flush(i)) return null;
      const high = ((bytes[i + 1]! & 0x0f) << 16) | ((bytes[i + 2]! & 0x3f) << 10);
      const low = ((bytes[i + 4]! & 0x0f) << 6) | (bytes[i + 5]! & 0x3f);
      text += String.fromCodePoint(0x10000 + high + low);
      i += 5;
      start = i + 1;
    }
  }
  return flush(bytes.length) ? text : null;
}

/** ED, a byte from `second` to `second` + F, and a continuation byte. */
function isSurrogate(bytes: Uint8Array, at: number, second: number): boolean {
  return bytes[at] === 0xed && (bytes[at + 1]! & 0xf0) === second && (bytes[at + 2]! & 0xc0) === 0x80;
}

// Byte patterns are matched on one character per byte.
const toBinary = (bytes: Uint8Array) =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
const fromBinary = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'));

/**
 * Sequences that are UTF-8 if a space is read as the byte A0. Only lead bytes that make likely characters: before the
 * space, C2 (no-break space), C3 (à), C5 (Š), CE (Π), D0 (Р), D9 (٠); not E0 or E1 directly before it.
 */
const A0_SEQUENCE =
  '[\\xc2\\xc3\\xc5\\xce\\xd0\\xd9] ' +
  '|[\\xe2\\xe3] [\\x80-\\x84\\x86-\\x9f\\xa1-\\xbf]' +
  '|[\\xe0-\\xe3][\\x80-\\x84\\x86-\\x9f\\xa1-\\xbf] ' +
  '|\\xf0 [\\x80-\\xbf]{2}|\\xf0[\\x80-\\xbf] [\\x80-\\xbf]|\\xf0[\\x80-\\xbf]{2} ';
const HAS_A0_SEQUENCE = new RegExp(A0_SEQUENCE);
const EVERY_A0_SEQUENCE = new RegExp(A0_SEQUENCE, 'g');
/** "Ã la" is "à la"; the Portuguese contractions às, àquele, àquela, àquilo are one word. */
const A_GRAVE_WORD = /\xc3 (?! |quele|quela|quilo|s )/g;

/** Null where nothing looks like a lost A0. */
export function restoreByteA0(bytes: Uint8Array): Uint8Array | null {
  const text = toBinary(bytes);
  if (!HAS_A0_SEQUENCE.test(text)) return null;
  const restored = text
    .replace(A_GRAVE_WORD, '\xc3\xa0 ')
    .replace(EVERY_A0_SEQUENCE, (sequence) => sequence.replaceAll(' ', '\xa0'));
  return restored === text ? null : fromBinary(restored);
}

/** A UTF-8 or CESU-8 sequence in which a byte was replaced: by 1A, or once by a question mark. */
const LOSSY_SEQUENCE = new RegExp(
  '[\\xc2-\\xdf]\\x1a|[\\xc2-\\xc3]\\?' +
    '|\\xed[\\xa0-\\xaf][\\x1a?]\\xed[\\xb0-\\xbf][\\x1a?\\x80-\\xbf]' +
    '|\\xed[\\xa0-\\xaf][\\x1a?\\x80-\\xbf]\\xed[\\xb0-\\xbf][\\x1a?]' +
    '|[\\xe0-\\xef][\\x1a?][\\x1a\\x80-\\xbf]|[\\xe0-\\xef][\\x1a\\x80-\\xbf][\\x1a?]' +
    '|[\\xf0-\\xf4][\\x1a?][\\x1a\\x80-\\xbf]{2}' +
    '|[\\xf0-\\xf4][\\x1a\\x80-\\xbf][\\x1a?][\\x1a\\x80-\\xbf]' +
    '|[\\xf0-\\xf4][\\x1a\\x80-\\xbf]{2}[\\x1a?]|\\x1a',
  'g',
);
/** U+FFFD in UTF-8. */
const REPLACEMENT_BYTES = '\xef\xbf\xbd';

/** Null where no byte was lost. */
export function replaceLossySequences(bytes: Uint8Array): Uint8Array | null {
  if (!bytes.includes(0x1a) && !bytes.includes(0x3f)) return null;
  const text = toBinary(bytes);
  const replaced = text.replace(LOSSY_SEQUENCE, REPLACEMENT_BYTES);
  return replaced === text ? null : fromBinary(replaced);
}
