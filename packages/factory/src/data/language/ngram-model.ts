// In: a text. Out: its likeliest language by byte n-grams and how sure that is: eld's tables (the smallest) and its rule, with
// the same numbers, from flat arrays instead of objects. The tables are read when they are first needed.
import { createRequire, findPackageJSON } from 'node:module';
import { dirname, join } from 'node:path';
import { invariant } from '#factory/errors.ts';

export interface Guess {
  /** ISO 639-1; empty where no n-gram is known. */
  language: string;
  /** 0 to 1. */
  score: number;
  /** Whether the score is usual for the language. How near the next language comes does not count, as in eld. */
  isReliable: boolean;
}

/** Every score in the tables has been lessened by this, to make them smaller. */
const BASE_SCORE = 53;
/** A mean score per n-gram of this is a score of one half. */
const HALF_SCORE = 25;
const RELIABLE_SHARE = 0.75;
const MAX_UNITS = 1000;
/** A text ends at the first space after so many bytes, or in the midst of a word after so many. */
const SOFT_BYTES = 350;
const HARD_BYTES = 380;
/** A word is cut into n-grams as far as here; its last n-gram goes on to its end. */
const MAX_WORD = 70;
const GRAM = 4;
const STRIDE = 3;
const SPACE = 0x20;
/** Slots for the distinct n-grams of one text, of which there are fewer than bytes. */
const SEEN_SLOTS = 1024;

interface EldTables {
  languages: Record<string, string>;
  ngrams: Record<string, Record<string, number>>;
}

export class NgramModel {
  readonly #separators: RegExp;
  /** Eld writes bytes as single characters below 0x100, so that its tables are text. */
  readonly #dictionary: Uint8Array;
  readonly #languages: string[];
  readonly #usual: Float64Array;
  /** Open addressing: an n-gram of up to 6 bytes as two halves of 24 bits; its scores lie from `starts[slot]` on. */
  readonly #high: Int32Array;
  readonly #low: Int32Array;
  readonly #starts: Uint32Array;
  readonly #counts: Uint8Array;
  readonly #entryLanguages: Uint8Array;
  readonly #entryScores: Uint16Array;
  readonly #bytes = new Uint8Array(HARD_BYTES + 16);
  readonly #seenHigh = new Int32Array(SEEN_SLOTS);
  readonly #seenLow = new Int32Array(SEEN_SLOTS);
  readonly #seenIn = new Int32Array(SEEN_SLOTS);
  #text = 0;
  #grams = 0;
  readonly #sums: Int32Array;

  constructor() {
    const folder = dirname(findPackageJSON('eld', import.meta.url)!);
    // The package offers its tables to `import` only, which cannot wait here; Node loads them at once by their path.
    const load = (name: string) => createRequire(import.meta.url)(join(folder, 'src', name)) as unknown;
    const { ngramsData } = load('ngrams/extrasmall.js') as { ngramsData: EldTables };
    const { dictionary } = load('dictionary.js') as { dictionary: string[] };
    const { avgScore } = load('avgScore.js') as { avgScore: Record<string, number> };
    this.#separators = (load('regexPatterns.js') as { separators: RegExp }).separators;
    this.#dictionary = Uint8Array.from(dictionary, (character, byte) =>
      byte < 0x80 ? byte : character.charCodeAt(0),
    );
    this.#languages = Object.values(ngramsData.languages);
    this.#usual = Float64Array.from(this.#languages, (language) => avgScore[language]!);
    this.#sums = new Int32Array(this.#languages.length);

    const grams = Object.keys(ngramsData.ngrams);
    const slots = 2 ** Math.ceil(Math.log2(grams.length * 2));
    this.#high = new Int32Array(slots);
    this.#low = new Int32Array(slots).fill(-1);
    this.#starts = new Uint32Array(slots);
    this.#counts = new Uint8Array(slots);
    const languages: number[] = [];
    const scores: number[] = [];
    for (const gram of grams) {
      invariant(gram.length <= 6, 'an n-gram of eld has six bytes at most');
      const [high, low] = halves(gram);
      const slot = this.#slotOf(high, low);
      this.#high[slot] = high;
      this.#low[slot] = low;
      this.#starts[slot] = languages.length;
      for (const [language, score] of Object.entries(ngramsData.ngrams[gram]!)) {
        languages.push(Number(language));
        scores.push(score + BASE_SCORE);
      }
      this.#counts[slot] = languages.length - this.#starts[slot]!;
    }
    this.#entryLanguages = Uint8Array.from(languages);
    this.#entryScores = Uint16Array.from(scores);
  }

  guess(text: string): Guess {
    const plain = text.slice(0, MAX_UNITS).replace(this.#separators, ' ').trim().toLowerCase();
    this.#sums.fill(0);
    this.#text++;
    this.#grams = 0;
    const long = new Set<string>();
    this.#addWords(plain, long);
    const grams = this.#grams + long.size;

    let best = -1;
    let most = 0;
    for (let language = 0; language < this.#sums.length; language++) {
      if (this.#sums[language]! <= most) continue;
      most = this.#sums[language]!;
      best = language;
    }
    if (best === -1) return { language: '', score: 0, isReliable: false };
    const mean = most / grams;
    const score = mean / (mean + HALF_SCORE);
    const isReliable = grams >= 3 && this.#usual[best]! * RELIABLE_SHARE <= score;
    return { language: this.#languages[best]!, score, isReliable };
  }

  /** Writes the text word by word as UTF-8 in eld's characters. */
  #addWords(text: string, long: Set<string>): void {
    const dictionary = this.#dictionary;
    const bytes = this.#bytes;
    let length = 0;
    let count = 0;
    for (let at = 0; at < text.length; at++) {
      let code = text.charCodeAt(at);
      if (code === SPACE) {
        if (length > 0) this.#addWord(length, long);
        length = 0;
        if (count++ > SOFT_BYTES) return;
      } else if (code < 0x80) {
        bytes[length++] = code;
        count++;
      } else if (code < 0x800) {
        bytes[length++] = dictionary[0xc0 | (code >> 6)]!;
        bytes[length++] = dictionary[0x80 | (code & 0x3f)]!;
        count += 2;
      } else if (code < 0xd800 || code >= 0xe000) {
        bytes[length++] = dictionary[0xe0 | (code >> 12)]!;
        bytes[length++] = dictionary[0x80 | ((code >> 6) & 0x3f)]!;
        bytes[length++] = dictionary[0x80 | (code & 0x3f)]!;
        count += 3;
      } else {
        code = 0x10000 + (((code & 0x3ff) << 10) | (text.charCodeAt(++at) & 0x3ff));
        bytes[length++] = dictionary[0xf0 | (code >> 18)]!;
        bytes[length++] = dictionary[0x80 | ((code >> 12) & 0x3f)]!;
        bytes[length++] = dictionary[0x80 | ((code >> 6) & 0x3f)]!;
        bytes[length++] = dictionary[0x80 | (code & 0x3f)]!;
        count += 4;
      }
      if (count > HARD_BYTES) break;
    }
    if (length > 0) this.#addWord(length, long);
  }

  /** Four bytes in steps of three, with a space at the ends of the word; the last n-gram is its last four bytes. */
  #addWord(length: number, long: Set<string>): void {
    const bytes = this.#bytes;
    const cut = Math.min(length, MAX_WORD);
    let at = 0;
    for (; at + GRAM < cut; at += STRIDE) this.#addGram(at, at + GRAM, at === 0, false);
    const last = Math.max(0, cut - GRAM);
    // Of a longer word the last n-gram is longer than any in the tables: it counts, and scores nothing.
    if (length > cut) long.add(String.fromCharCode(...bytes.subarray(last, length)));
    else this.#addGram(last, length, at === 0, true);
  }

  #addGram(start: number, end: number, isFirst: boolean, isLast: boolean): void {
    const bytes = this.#bytes;
    let high = 0;
    let low = isFirst ? SPACE : 0;
    for (let at = start; at < end; at++) {
      high = ((high << 8) | (low >>> 16)) & 0xffffff;
      low = ((low << 8) | bytes[at]!) & 0xffffff;
    }
    if (isLast) {
      high = ((high << 8) | (low >>> 16)) & 0xffffff;
      low = ((low << 8) | SPACE) & 0xffffff;
    }
    let seen = hashOf(high, low) & (SEEN_SLOTS - 1);
    while (this.#seenIn[seen] === this.#text) {
      if (this.#seenHigh[seen] === high && this.#seenLow[seen] === low) return;
      seen = (seen + 1) & (SEEN_SLOTS - 1);
    }
    this.#seenIn[seen] = this.#text;
    this.#seenHigh[seen] = high;
    this.#seenLow[seen] = low;
    this.#grams++;
    const slot = this.#slotOf(high, low);
    const first = this.#starts[slot]!;
    const beyond = first + this.#counts[slot]!;
    for (let entry = first; entry < beyond; entry++)
      this.#sums[this.#entryLanguages[entry]!]! += this.#entryScores[entry]!;
  }

  /** The slot of the n-gram, or the empty one where it would be. */
  #slotOf(high: number, low: number): number {
    const mask = this.#low.length - 1;
    let slot = hashOf(high, low) & mask;
    while (this.#low[slot] !== -1 && !(this.#low[slot] === low && this.#high[slot] === high))
      slot = (slot + 1) & mask;
    return slot;
  }
}

function halves(gram: string): [high: number, low: number] {
  let high = 0;
  let low = 0;
  for (let at = 0; at < gram.length; at++) {
    const code = gram.charCodeAt(at);
    invariant(code < 0x100, 'eld writes bytes as characters below 0x100');
    high = ((high << 8) | (low >>> 16)) & 0xffffff;
    low = ((low << 8) | code) & 0xffffff;
  }
  return [high, low];
}

function hashOf(high: number, low: number): number {
  const h = Math.imul(high ^ Math.imul(low, 0x9e3779b1), 0x85ebca6b);
  return (h ^ (h >>> 15)) >>> 0;
}
