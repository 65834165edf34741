// In: the text of an answer as it is made. Out: a place to read it from: readers are generators that wait where the text
// ends for now, so that they are written as if it were all there. What they find is collected as pieces.
import { invariant } from '#factory/errors.ts';
import type { AnswerPiece } from '#factory/records/served-template.ts';

/** Waits at each `yield` for more text, or for its end. */
export type Reading<T> = Generator<undefined, T, undefined>;

export class AnswerSource {
  #text = '';
  /** Characters that are no longer kept; places count from the start of the answer. */
  #dropped = 0;
  #holds = 0;
  #copyFrom: number | null = null;
  #pieces: AnswerPiece[] = [];
  at = 0;
  ended = false;
  calls = 0;
  wholeCalls = 0;

  add(text: string): void {
    this.#text += text;
  }

  takePieces(): AnswerPiece[] {
    const pieces = this.#pieces;
    this.#pieces = [];
    return pieces;
  }

  slice(from: number, to?: number): string {
    return this.#text.slice(from - this.#dropped, to === undefined ? undefined : to - this.#dropped);
  }

  get rest(): string {
    return this.slice(this.at);
  }

  /** More text, or false at its end. */
  *more(): Reading<boolean> {
    this.#flushCopy();
    if (this.ended) return false;
    if (this.#holds === 0) {
      this.#text = this.#text.slice(this.at - this.#dropped);
      this.#dropped = this.at;
    }
    const length = this.#text.length;
    while (!this.ended && this.#text.length === length) yield undefined;
    return this.#text.length > length;
  }

  /** The next character, not taken; empty at the end. */
  *peek(): Reading<string> {
    while (this.rest === '' && (yield* this.more()));
    return this.rest.charAt(0);
  }

  /** Takes `word` if it is next. */
  *takes(word: string): Reading<boolean> {
    for (;;) {
      const next = this.slice(this.at, this.at + word.length);
      if (!word.startsWith(next)) return false;
      if (next.length === word.length) break;
      if (!(yield* this.more())) return false;
    }
    this.at += word.length;
    return true;
  }

  /** Takes characters of a class (a sticky regular expression over one character), and gives them. */
  *run(pattern: RegExp): Reading<string> {
    const start = this.at;
    this.#holds++;
    for (;;) {
      const next = yield* this.peek();
      if (next === '' || !pattern.test(next)) break;
      this.at++;
    }
    this.#holds--;
    return this.slice(start, this.at);
  }

  *space(): Reading<string> {
    return yield* this.run(/\s/);
  }

  /** Everything up to a word, which is taken too; null where the answer ends first. */
  *until(word: string): Reading<string | null> {
    const start = this.at;
    this.#holds++;
    let found = -1;
    for (;;) {
      found = this.rest.indexOf(word);
      if (found >= 0 || !(yield* this.more())) break;
    }
    this.#holds--;
    if (found < 0) return null;
    const text = this.slice(start, start + found);
    this.at = start + found + word.length;
    return text;
  }

  /** Goes back to where it was if the reader says false. */
  *attempt(reader: () => Reading<boolean>): Reading<boolean> {
    const start = this.at;
    const before = this.calls;
    this.#holds++;
    const isThere = yield* reader();
    this.#holds--;
    // What was told cannot be taken back.
    if (!isThere && this.calls === before) this.at = start;
    return isThere;
  }

  /** Tells the text before the first of `words`, which is taken. White space before it is kept back. */
  *tellUntil(kind: 'text' | 'reasoning', words: readonly string[]): Reading<{ word: number; space: string }> {
    for (;;) {
      const { rest } = this;
      const hit = firstOf(rest, words);
      const end = hit ? hit.at : rest.length - longestStart(rest, words);
      const text = rest.slice(0, end);
      const told = words.length > 0 ? text.trimEnd() : text;
      if (told !== '') this.tell({ kind, text: told });
      this.at += told.length;
      if (hit) {
        this.at += end - told.length + (words[hit.word] as string).length;
        return { word: hit.word, space: text.slice(told.length) };
      }
      if (!(yield* this.more())) {
        const space = this.rest;
        this.at += space.length;
        return { word: -1, space };
      }
    }
  }

  tell(piece: AnswerPiece): void {
    this.#pieces.push(piece);
  }

  beginCall(name: string): void {
    this.tell({ kind: 'call', index: this.calls, name, arguments: '' });
    this.calls++;
  }

  tellArguments(text: string): void {
    if (text !== '') this.tell({ kind: 'call', index: this.calls - 1, name: null, arguments: text });
  }

  /** From here on, what is read is told as arguments of the call. */
  startCopy(): void {
    invariant(this.#copyFrom === null, 'one copy at a time');
    this.#copyFrom = this.at;
    this.#holds++;
  }

  endCopy(): void {
    this.#flushCopy();
    this.#copyFrom = null;
    this.#holds--;
  }

  #flushCopy(): void {
    if (this.#copyFrom === null) return;
    this.tellArguments(this.slice(this.#copyFrom, this.at));
    this.#copyFrom = this.at;
  }
}

function firstOf(text: string, words: readonly string[]): { at: number; word: number } | null {
  let first: { at: number; word: number } | null = null;
  for (const [word, wanted] of words.entries()) {
    const at = text.indexOf(wanted);
    if (at >= 0 && (first === null || at < first.at)) first = { at, word };
  }
  return first;
}

/** Length of the longest end of `text` that is the start of a word. */
function longestStart(text: string, words: readonly string[]): number {
  let longest = 0;
  for (const word of words)
    for (let length = Math.min(word.length - 1, text.length); length > longest; length--)
      if (text.endsWith(word.slice(0, length))) longest = length;
  return longest;
}
