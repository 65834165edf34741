// In: a text. Out: the text as exact comparison sees it, and a 53-bit hash of it for maps.
// Case, width, spacing and Unicode composition do not count; digits, symbols and punctuation do, so `C` is not `C++`.

/** `Ｒefund\n policy ` and `refund policy` are one text. */
export function exactKey(text: string): string {
  if (isExactKey(text)) return text;
  return text.normalize('NFKC').toLowerCase().replace(/\s+/g, ' ').trim();
}

/** 53 bits of two 32-bit lanes (FNV-1a with murmur3's finish): a map key without allocating. Equal hashes must still be compared. */
export function hash53(text: string): number {
  let low = 0x811c9dc5 | 0;
  let high = 0x9e3779b9 | 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    low = Math.imul(low ^ code, 0x01000193);
    high = Math.imul(high ^ code, 0x5bd1e995) ^ (high >>> 15);
  }
  return (finish(high ^ low) >>> 0) * 0x200000 + (finish(low) >>> 11);
}

/** The finish of murmur3: every bit of the input moves every bit of the output. */
export function finish(word: number): number {
  let h = word;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** Whether a text is plain ASCII that the key would not change; most texts are nearly so, and this is quicker. */
function isExactKey(text: string): boolean {
  let wasSpace = true;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const isSpace = code === 0x20;
    if (code > 0x7e || code < 0x20 || (code >= 0x41 && code <= 0x5a) || (isSpace && wasSpace)) return false;
    wasSpace = isSpace;
  }
  return !wasSpace || text === '';
}
