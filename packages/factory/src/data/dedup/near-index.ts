// In: rows as two sides of text. Out: their shingle sets and band keys, and which rows are near each other.
// Every candidate of a shared band is verified by the true Jaccard of both sides, so rows that are joined are near.
// A row takes 4 bytes per shingle and per band: about 300 MB for a million short rows. Which rows stay is decided elsewhere.
import { bandShape, MinHasher } from './minhash.ts';
import { RowShingler, type Sides } from './row-shingles.ts';
import { jaccard, SHINGLES, type ShingleOptions } from './shingles.ts';
import type { UnionFind } from './union-find.ts';

export interface NearOptions extends ShingleOptions {
  /** Rows are near when prompt and answer both have at least this Jaccard. */
  threshold: number;
  /** Hash functions at most; more find more of the pairs that lie at the threshold. */
  permutations: number;
  seed: number;
}

export const NEAR: NearOptions = { ...SHINGLES, threshold: 0.75, permutations: 256, seed: 1 };

/** Failed comparisons of one row in one band before the rest of that bucket is left; counted, not silent. */
const MAX_FAILED = 2000;

export class NearIndex {
  readonly threshold: number;
  readonly bands: number;
  /** Buckets that were left after MAX_FAILED comparisons; 0 unless very many rows share a band and are not near. */
  skipped = 0;
  readonly #capacity: number;
  readonly #shingler: RowShingler;
  readonly #hasher: MinHasher;
  readonly #shingles = new Growing();
  readonly #starts: Float64Array;
  readonly #middles: Float64Array;
  readonly #keys: Int32Array;
  #count = 0;

  constructor(capacity: number, options: NearOptions = NEAR) {
    this.threshold = options.threshold;
    this.#capacity = capacity;
    this.#shingler = new RowShingler(options);
    this.#hasher = new MinHasher(bandShape(options.threshold, options.permutations), options.seed);
    this.bands = this.#hasher.shape.bands;
    this.#starts = new Float64Array(capacity + 1);
    this.#middles = new Float64Array(capacity);
    this.#keys = new Int32Array(capacity * this.bands);
  }

  get count(): number {
    return this.#count;
  }

  /** Rows get numbers from 0 in the order in which they are added. */
  add(sides: Sides): void {
    const row = this.#count++;
    this.#shingles.add(this.#shingler.prompt(sides));
    this.#middles[row] = this.#shingles.length;
    this.#shingles.add(this.#shingler.answer(sides));
    this.#starts[row + 1] = this.#shingles.length;
    const set = this.#shingles.values.subarray(this.#starts[row], this.#shingles.length);
    this.#hasher.bandKeys(set, this.#keys, row, this.#capacity);
  }

  /** The lesser Jaccard of the two sides, where one that does not count is 1; −1 for less than `least`. */
  similarity(a: number, b: number, least = this.threshold): number {
    const aStart = this.#starts[a]!;
    const aMiddle = this.#middles[a]!;
    const aEnd = this.#starts[a + 1]!;
    const bStart = this.#starts[b]!;
    const bMiddle = this.#middles[b]!;
    const bEnd = this.#starts[b + 1]!;
    if (!sizesAllow(aMiddle - aStart, bMiddle - bStart, least)) return -1;
    if (!sizesAllow(aEnd - aMiddle, bEnd - bMiddle, least)) return -1;
    const all = this.#shingles.values;
    const prompts = aMiddle === aStart ? 1 : jaccard(all, all, aStart, aMiddle, bStart, bMiddle);
    if (prompts < least) return -1;
    const answers = aEnd === aMiddle ? 1 : jaccard(all, all, aMiddle, aEnd, bMiddle, bEnd);
    return answers < least ? -1 : Math.min(prompts, answers);
  }

  /** Joins in `groups` what is near, also through a third row, among the candidates of one band. */
  joinBand(band: number, groups: UnionFind): void {
    const count = this.#count;
    const keys = this.#keys.subarray(band * this.#capacity, band * this.#capacity + count);
    const slots = 2 ** Math.ceil(Math.log2(Math.max(16, count * 2)));
    const heads = new Int32Array(slots).fill(-1);
    const next = new Int32Array(count);
    for (let row = 0; row < count; row++) {
      const key = keys[row]!;
      let slot = (key >>> 0) & (slots - 1);
      while (heads[slot] !== -1 && keys[heads[slot]!] !== key) slot = (slot + 1) & (slots - 1);
      const first = heads[slot]!;
      let failed = 0;
      for (let other = first; other !== -1; other = next[other]!) {
        if (groups.joined(row, other)) continue;
        if (this.similarity(row, other) >= 0) groups.join(row, other);
        else if (++failed >= MAX_FAILED) {
          this.skipped++;
          break;
        }
      }
      next[row] = first;
      heads[slot] = row;
    }
  }
}

function sizesAllow(a: number, b: number, least: number): boolean {
  return Math.min(a, b) >= least * Math.max(a, b);
}

/** An Int32Array that grows by half, so that the last copy needs little beside it. */
class Growing {
  values = new Int32Array(1 << 16);
  length = 0;

  add(part: Int32Array): void {
    if (this.length + part.length > this.values.length) {
      const larger = new Int32Array(Math.ceil((this.length + part.length) * 1.5));
      larger.set(this.values.subarray(0, this.length));
      this.values = larger;
    }
    this.values.set(part, this.length);
    this.length += part.length;
  }
}
