// In: the prompts of a test set. Out: a seal, a small file that later rows are checked against without showing the test: keyed
// hashes of each prompt and of its shingles. And the check: the test prompt that a text is the same as, or near to.
// The key lies in the file: it keeps the texts from being read or looked up in a table of hashes, not from being guessed.
import { createHash, createHmac } from 'node:crypto';
import { z } from 'zod';
import { FactoryError } from '#factory/errors.ts';
import { exactKey } from '../dedup/exact-key.ts';
import { bandShape, MinHasher } from '../dedup/minhash.ts';
import { NEAR, type NearOptions } from '../dedup/near-index.ts';
import { RowShingler, type Sides } from '../dedup/row-shingles.ts';
import { jaccard } from '../dedup/shingles.ts';

/** The name under which a seal travels beside the data. */
export const SEAL_FILE = 'sealed-test.json';

const sealSchema = z.strictObject({
  format: z.literal('tunesmith-sealed-test'),
  version: z.literal(1),
  rows: z.int().min(0),
  key: z.string().regex(/^[0-9a-f]{32}$/),
  threshold: z.number().min(0).max(1),
  shingles: z.strictObject({
    characters: z.array(z.int().min(1)),
    words: z.array(z.int().min(1)),
    short_units: z.int().min(1),
    common: z.string(),
  }),
  /** HMAC-SHA-256 of each prompt's exact key, the first 16 hex digits. */
  exact: z.array(z.string().regex(/^[0-9a-f]{16}$/)),
  /** Shingles per prompt, and all of them as little-endian 32-bit numbers in base64. */
  sizes: z.array(z.int().min(1)),
  sets: z.string(),
});

export type Seal = z.infer<typeof sealSchema>;

export interface SealMatch {
  /** Number of the row of the test set. */
  row: number;
  similarity: number;
}

/** `options.common` are shingles that do not count, as they were found in all rows before the split. */
export function sealTest(prompts: readonly string[], seed: number, options: NearOptions = NEAR): Seal {
  const digest = createHash('sha256').update(`seal/${seed}`);
  for (const prompt of prompts) digest.update(`\n${exactKey(prompt)}`);
  const key = digest.digest('hex').slice(0, 32);
  const shingler = new RowShingler(options);
  const salt = saltOf(key);
  const sets = prompts.map((prompt) => keyed(shingler.prompt(asked(prompt)), salt));
  return {
    format: 'tunesmith-sealed-test',
    version: 1,
    rows: prompts.length,
    key,
    threshold: options.threshold,
    shingles: {
      characters: [...options.characters],
      words: [...options.words],
      short_units: options.shortUnits,
      common: toBase64([...options.common].sort((a, b) => a - b)),
    },
    exact: prompts.map((prompt) => exactHash(prompt, key)),
    sizes: sets.map((set) => set.length),
    sets: toBase64(sets.flatMap((set) => [...set])),
  };
}

export class SealedTest {
  readonly rows: number;
  readonly threshold: number;
  readonly #key: string;
  readonly #salt: number;
  readonly #shingler: RowShingler;
  readonly #hasher: MinHasher;
  readonly #exact = new Map<string, number>();
  readonly #sets: Int32Array[] = [];
  readonly #buckets: Map<number, number[]>[];
  readonly #keys: Int32Array;

  constructor(seal: Seal) {
    this.rows = seal.rows;
    this.threshold = seal.threshold;
    this.#key = seal.key;
    this.#salt = saltOf(seal.key);
    const { characters, words, short_units: shortUnits, common } = seal.shingles;
    this.#shingler = new RowShingler({ characters, words, shortUnits, common: new Set(fromBase64(common)) });
    this.#hasher = new MinHasher(bandShape(seal.threshold, NEAR.permutations));
    this.#keys = new Int32Array(this.#hasher.shape.bands);
    this.#buckets = Array.from(this.#keys, () => new Map());
    for (const [row, hash] of seal.exact.entries()) if (!this.#exact.has(hash)) this.#exact.set(hash, row);
    const all = fromBase64(seal.sets);
    let at = 0;
    for (const [row, size] of seal.sizes.entries()) {
      const set = all.subarray(at, at + size);
      at += size;
      this.#sets.push(set);
      this.#hasher.bandKeys(set, this.#keys);
      for (const [band, key] of this.#keys.entries()) {
        const bucket = this.#buckets[band]!.get(key);
        if (bucket) bucket.push(row);
        else this.#buckets[band]!.set(key, [row]);
      }
    }
  }

  /** The nearest test prompt from the threshold on; null when the text is like none of them. */
  nearest(prompt: string): SealMatch | null {
    const exact = this.#exact.get(exactHash(prompt, this.#key));
    if (exact !== undefined) return { row: exact, similarity: 1 };
    const set = keyed(this.#shingler.prompt(asked(prompt)), this.#salt);
    this.#hasher.bandKeys(set, this.#keys);
    let best: SealMatch | null = null;
    const seen = new Set<number>();
    for (let band = 0; band < this.#keys.length; band++) {
      for (const row of this.#buckets[band]!.get(this.#keys[band]!) ?? []) {
        if (seen.has(row)) continue;
        seen.add(row);
        const similarity = jaccard(set, this.#sets[row]!);
        if (similarity >= this.threshold && (best === null || similarity > best.similarity))
          best = { row, similarity };
      }
    }
    return best;
  }
}

/** `where` names the file in the message. */
export function parseSeal(text: string, where: string): Seal {
  let value: unknown = null;
  try {
    value = JSON.parse(text);
  } catch {
    // Told below, as any other text that is no seal.
  }
  const parsed = sealSchema.safeParse(value);
  const seal = parsed.data;
  const problem = parsed.success
    ? seal!.sizes.length !== seal!.rows ||
      seal!.exact.length !== seal!.rows ||
      fromBase64(seal!.sets).length !== seal!.sizes.reduce((n, size) => n + size, 0)
      ? 'its counts do not agree'
      : null
    : parsed.error.issues.map((issue) => `${issue.path.join('.') || 'file'}: ${issue.message}`)[0];
  if (problem === null) return seal!;
  throw new FactoryError({
    code: 'DATA_BAD_SEAL',
    message: `${where}: expected the seal of a test set, as "tunesmith data split" writes it; ${problem}`,
    remedy: `Restore ${where} from a copy, or split the data anew.`,
  });
}

function asked(prompt: string): Sides {
  return { context: '', prompt, answer: null };
}

function exactHash(prompt: string, key: string): string {
  return createHmac('sha256', key).update(exactKey(prompt)).digest('hex').slice(0, 16);
}

function saltOf(key: string): number {
  return Number.parseInt(key.slice(0, 8), 16) | 0;
}

/** An odd factor and a shift, both from the key, keep equality and hide the hashes; the order is made anew. */
function keyed(set: Int32Array, salt: number): Int32Array {
  return set.map((hash) => Math.imul(hash ^ salt, 0x9e3779b1) ^ (salt >>> 7)).sort();
}

function toBase64(numbers: readonly number[]): string {
  const bytes = Buffer.alloc(numbers.length * 4);
  for (const [i, number] of numbers.entries()) bytes.writeInt32LE(number, i * 4);
  return bytes.toString('base64');
}

function fromBase64(text: string): Int32Array {
  const bytes = Buffer.from(text, 'base64');
  return Int32Array.from({ length: bytes.length >> 2 }, (_, i) => bytes.readInt32LE(i * 4));
}
