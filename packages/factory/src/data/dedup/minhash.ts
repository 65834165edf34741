// In: shingle sets. Out: for each set one 32-bit key per band; sets that share a key in a band are candidates.
// Bands and rows are chosen by datasketch's rule: the least weighted area of false positives and false negatives
// (Leskovec, Rajaraman, Ullman: Mining of Massive Datasets, 3.4). Candidates are not pairs yet: near-pairs.ts verifies them.
import { invariant } from '#factory/errors.ts';
import { seededRandom } from '#factory/records/seeded-random.ts';
import { finish } from './exact-key.ts';
import { MAX_FUNCTIONS, MinHashKernel } from './minhash-kernel.ts';

export interface BandShape {
  bands: number;
  rows: number;
}

/** The chance that two sets of this similarity share a band: 1 − (1 − s^rows)^bands. */
export function candidateProbability(similarity: number, { bands, rows }: BandShape): number {
  return 1 - (1 - similarity ** rows) ** bands;
}

/** Wasted checks are cheap here because every candidate is verified; missed pairs are lost. */
const VERIFIED = { falsePositives: 0.02, falseNegatives: 0.98 };
/** Steps of the integrals, as datasketch has them. */
const STEP = 0.001;

const shapes = new Map<string, BandShape>();

/** The shape with the least weighted area of errors among those of at most `permutations` hashes. */
export function bandShape(threshold: number, permutations: number, weights = VERIFIED): BandShape {
  // Trying all shapes takes a tenth of a second.
  const key = JSON.stringify([threshold, permutations, weights]);
  const known = shapes.get(key);
  if (known) return known;
  let best: BandShape = { bands: 1, rows: 1 };
  let least = Number.POSITIVE_INFINITY;
  for (let bands = 1; bands <= permutations; bands++) {
    for (let rows = 1; rows <= Math.floor(permutations / bands); rows++) {
      const shape = { bands, rows };
      const positives = area(0, threshold, (s) => candidateProbability(s, shape));
      const negatives = area(threshold, 1, (s) => 1 - candidateProbability(s, shape));
      const error = weights.falsePositives * positives + weights.falseNegatives * negatives;
      if (error < least) {
        least = error;
        best = shape;
      }
    }
  }
  shapes.set(key, best);
  return best;
}

function area(from: number, to: number, f: (x: number) => number): number {
  let sum = 0;
  for (let x = from; x < to; x += STEP) sum += f(x + STEP / 2) * STEP;
  return sum;
}

/** Hash functions h → a·h + b mod 2^32 with odd a, the same for a seed on every machine. */
export class MinHasher {
  readonly shape: BandShape;
  readonly #kernel: MinHashKernel;

  constructor(shape: BandShape, seed = 1) {
    this.shape = shape;
    const n = shape.bands * shape.rows;
    invariant(n <= MAX_FUNCTIONS, `at most ${MAX_FUNCTIONS} hash functions, got ${n}`);
    const random = seededRandom(`minhash/${seed}`);
    const factors = Int32Array.from({ length: n }, () => random.int(2 ** 32) | 1);
    const shifts = Int32Array.from({ length: n }, () => random.int(2 ** 32) | 0);
    this.#kernel = new MinHashKernel(factors, shifts);
  }

  /** The least value of every function: the share of equal entries of two sets estimates their similarity. */
  signature(set: Int32Array): Int32Array {
    return this.#kernel.least(set);
  }

  /** Writes one key per band to `out[offset + band * stride]`. `set` must not be empty. */
  bandKeys(set: Int32Array, out: Int32Array, offset = 0, stride = 1): void {
    const { bands, rows } = this.shape;
    const least = this.signature(set);
    let j = 0;
    for (let band = 0; band < bands; band++) {
      let key = band;
      for (let row = 0; row < rows; row++, j++) {
        key = Math.imul(key ^ least[j]!, 0x9e3779b1);
        key ^= key >>> 15;
      }
      out[offset + band * stride] = finish(key);
    }
  }
}
