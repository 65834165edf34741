// In: a tokenizer. Out: the bytes that a token stands for, also where they are half a character. It reads the spelling of
// pieces: GPT-2's characters for bytes, or SentencePiece's <0x0A> and its mark for spaces.
import type { TextTokenizer } from '#factory/records/tokenizer.ts';

/** GPT-2's table: bytes that print stand for themselves, the others follow from U+0100 on. */
const BYTE_OF = new Map<string, number>();
for (let byte = 0, next = 0x100; byte < 256; byte++) {
  const prints = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  BYTE_OF.set(String.fromCodePoint(prints ? byte : next++), byte);
}

const SPACE = '\u2581';

export function tokenBytes(tokenizer: TextTokenizer): (id: number) => Uint8Array {
  const isByteLevel = tokenizer.tokenToId('\u0120') !== null && tokenizer.tokenToId('<0x0A>') === null;
  const encoder = new TextEncoder();
  return (id) => {
    const piece = tokenizer.idToToken(id) ?? '';
    if (isByteLevel) {
      const bytes = Array.from(piece, (char) => BYTE_OF.get(char));
      return bytes.every((byte) => byte !== undefined) ? Uint8Array.from(bytes) : encoder.encode(piece);
    }
    const byte = /^<0x([0-9A-F]{2})>$/.exec(piece)?.[1];
    if (byte !== undefined) return Uint8Array.of(Number.parseInt(byte, 16));
    return encoder.encode(piece.replaceAll(SPACE, ' '));
  };
}
