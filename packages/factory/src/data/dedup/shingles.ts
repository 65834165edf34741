// In: a text. Out: the set of its shingles as sorted 32-bit hashes: n-grams of characters for scripts without spaces, of words
// otherwise. A short text is one shingle, its exact key, so that two short texts are alike only when they are the same.
// Letters, marks and digits count; case, width, spacing and punctuation do not.
import { exactKey, finish, hash53 } from './exact-key.ts';

export interface ShingleOptions {
  /** Lengths of n-grams of Han, kana, Thai, Lao, Khmer and Burmese characters. */
  characters: readonly number[];
  /** Lengths of n-grams of words of every other script. */
  words: readonly number[];
  /** Texts of fewer words and characters, or of fewer shingles, than this are one shingle. */
  shortUnits: number;
  /** Shingles that do not count, such as those of an instruction that most rows repeat. */
  common: ReadonlySet<number>;
}

export const SHINGLES: ShingleOptions = {
  characters: [2, 3],
  words: [1, 2],
  shortUnits: 8,
  common: new Set(),
};

const SEPARATOR = 0;
const WORD = 1;
const CHARACTER = 2;

/** What a UTF-16 unit is. Made once, because a property regex per character is twenty times slower. */
const KIND = unitKinds();

function unitKinds(): Uint8Array {
  const kinds = new Uint8Array(0x10000);
  const word = /[\p{L}\p{M}\p{N}]/u;
  const character =
    /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;
  for (let code = 0x30; code < 0x10000; code++) {
    if (code >= 0xd800 && code <= 0xdfff) continue;
    const text = String.fromCharCode(code);
    if (word.test(text)) kinds[code] = character.test(text) ? CHARACTER : WORD;
  }
  return kinds;
}

/** Turns texts into shingle sets; keeps its buffers between calls. */
export class Shingler {
  readonly #options: ShingleOptions;
  #hashes = new Int32Array(1024);
  #isCharacter = new Uint8Array(1024);
  #grams = new Int32Array(4096);

  constructor(options: ShingleOptions = SHINGLES) {
    this.#options = options;
  }

  /**
   * The distinct shingles of `text`, ascending; valid until the next call. `salt` separates the sides of a row, so that a
   * word of the prompt is not one of the answer. The empty text has one shingle too.
   */
  shingles(text: string, salt = 0): Int32Array {
    const plain = text.normalize('NFKC').toLowerCase();
    const units = this.#split(plain);
    const { characters, words, shortUnits, common } = this.#options;
    if (units < shortUnits || units === 0) return this.#whole(text, salt);
    const room = units * Math.max(characters.length, words.length);
    if (this.#grams.length < room) this.#grams = new Int32Array(room * 2);
    const grams = this.#grams;
    const hashes = this.#hashes;
    let n = 0;
    for (let i = 0; i < units; i++) {
      const sizes = this.#isCharacter[i] === 1 ? characters : words;
      for (let s = 0; s < sizes.length; s++) {
        const size = sizes[s]!;
        if (i + size > units) continue;
        let h = salt ^ Math.imul(size, 0x9e3779b9);
        for (let k = 0; k < size; k++) {
          h = Math.imul(h ^ hashes[i + k]!, 0xcc9e2d51);
          h = ((h << 15) | (h >>> 17)) + 0x6ed9eba1;
        }
        grams[n++] = finish(h);
      }
    }
    const sorted = grams.subarray(0, n).sort();
    let kept = 0;
    let last = 0;
    for (let i = 0; i < n; i++) {
      const gram = sorted[i]!;
      if (i > 0 && gram === last) continue;
      last = gram;
      if (common.size === 0 || !common.has(gram)) sorted[kept++] = gram;
    }
    return kept < shortUnits ? this.#whole(text, salt) : sorted.subarray(0, kept);
  }

  #whole(text: string, salt: number): Int32Array {
    const hash = hash53(exactKey(text));
    this.#grams[0] = finish((hash | 0) ^ (hash / 0x200000) ^ salt ^ 0x5bf03635);
    return this.#grams.subarray(0, 1);
  }

  /** Fills the buffers with one hash per word or character; returns how many there are. */
  #split(text: string): number {
    if (this.#hashes.length < text.length) {
      this.#hashes = new Int32Array(text.length * 2);
      this.#isCharacter = new Uint8Array(text.length * 2);
    }
    const hashes = this.#hashes;
    const isCharacter = this.#isCharacter;
    let units = 0;
    let inWord = false;
    let h = 0;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      let kind = KIND[code]!;
      let value = code;
      // Outside the first plane there are rare Han characters and emoji; only the former count.
      if (code >= 0xd800 && code <= 0xdbff) {
        value = text.codePointAt(i)!;
        if (value > 0xffff) i++;
        kind = value >= 0x20000 && value < 0x40000 ? CHARACTER : SEPARATOR;
      }
      if (kind === WORD) {
        h = inWord ? Math.imul(h ^ value, 0x01000193) : Math.imul(0x811c9dc5 ^ value, 0x01000193);
        inWord = true;
        continue;
      }
      if (inWord) {
        hashes[units] = finish(h);
        isCharacter[units++] = 0;
        inWord = false;
      }
      if (kind === CHARACTER) {
        hashes[units] = finish(value ^ 0x2545f491);
        isCharacter[units++] = 1;
      }
    }
    if (inWord) {
      hashes[units] = finish(h);
      isCharacter[units++] = 0;
    }
    return units;
  }
}

/** Shared over all, of two ascending sets between `start` and `end` of each. */
export function jaccard(
  a: Int32Array,
  b: Int32Array,
  aStart = 0,
  aEnd = a.length,
  bStart = 0,
  bEnd = b.length,
): number {
  let i = aStart;
  let j = bStart;
  let shared = 0;
  while (i < aEnd && j < bEnd) {
    const x = a[i]!;
    const y = b[j]!;
    if (x === y) {
      shared++;
      i++;
      j++;
    } else if (x < y) i++;
    else j++;
  }
  return shared / (aEnd - aStart + bEnd - bStart - shared);
}
