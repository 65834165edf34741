// In: rows as two sides of text. Out: the shingle set of each side, and the shingles that are common to most rows.
// Shingles of prompt, answer and different contexts never meet: each has a salt of its own.
import { exactKey, hash53 } from './exact-key.ts';
import { type ShingleOptions, Shingler } from './shingles.ts';

/** What of a row is compared. A side that is null does not count. */
export interface Sides {
  /** System text and tools: rows are alike only where these are the same, and they add nothing to the likeness. */
  context: string;
  prompt: string | null;
  answer: string | null;
}

const PROMPT_SALT = 0x1b873593;
const ANSWER_SALT = 0x38b34ae5;

/** Sets are valid until the next call. */
export class RowShingler {
  readonly #shingler: Shingler;
  #context = '';
  #salt = 0;

  constructor(options: ShingleOptions) {
    this.#shingler = new Shingler(options);
  }

  prompt({ context, prompt }: Sides): Int32Array {
    return prompt === null ? NONE : this.#shingler.shingles(prompt, this.#saltOf(context) ^ PROMPT_SALT);
  }

  answer({ context, answer }: Sides): Int32Array {
    return answer === null ? NONE : this.#shingler.shingles(answer, this.#saltOf(context) ^ ANSWER_SALT);
  }

  #saltOf(context: string): number {
    if (context !== this.#context) {
      this.#context = context;
      this.#salt = context === '' ? 0 : hash53(exactKey(context)) | 0;
    }
    return this.#salt;
  }
}

const NONE = new Int32Array(0);

/** Rows that are looked at for what is common. */
const SAMPLE = 20_000;
/** Fewer rows than this share too little to tell a template from a coincidence. */
const LEAST_ROWS = 50;

/**
 * Shingles that more than `share` of the rows have: those of an instruction that stands in every row, and of the most frequent
 * words. With them in, rows of one long template would all be near each other.
 */
export function commonShingles(
  count: number,
  sides: (row: number) => Sides,
  share: number,
  options: ShingleOptions,
): Set<number> {
  const stride = Math.max(1, Math.floor(count / SAMPLE));
  const sample = Math.ceil(count / stride);
  if (share >= 1 || sample < LEAST_ROWS) return new Set();
  const rows = new Map<number, number>();
  const shingler = new RowShingler(options);
  const add = (set: Int32Array) => {
    for (const shingle of set) rows.set(shingle, (rows.get(shingle) ?? 0) + 1);
  };
  for (let row = 0; row < count; row += stride) {
    add(shingler.prompt(sides(row)));
    add(shingler.answer(sides(row)));
  }
  return new Set([...rows].filter(([, n]) => n > share * sample).map(([shingle]) => shingle));
}
