// In: a seed. Out: a reproducible stream of random numbers, the same on every machine and in every release.
// It holds no global state and reads no clock; it is not for secrets.
import { invariant } from '#factory/errors.ts';

export interface SeededRandom {
  /** Uniform in [0, 1), 53 random bits. */
  next(): number;
  /** A uniform integer in [0, n), 1 ≤ n ≤ 2^32; without modulo bias. */
  int(n: number): number;
  /** A shuffled copy (Fisher–Yates). */
  shuffle<T>(xs: readonly T[]): T[];
}

/** A stream for `seed`. Derive independent streams by text: `seededRandom(`${seed}/epoch/${epoch}`)`. */
export function seededRandom(seed: number | string): SeededRandom {
  let [a, b, c, counter] = seedWords(`${typeof seed}:${seed}`);

  // sfc32 (Chris Doty-Humphrey, PractRand): 128-bit state with a counter, period at least 2^32.
  function word(): number {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    c |= 0;
    return sum >>> 0;
  }
  // The first words still show the seed's structure.
  for (let i = 0; i < 15; i++) word();

  function int(n: number): number {
    invariant(
      Number.isInteger(n) && n >= 1 && n <= 2 ** 32,
      `int(n) needs an integer from 1 to 2^32, got ${n}`,
    );
    const limit = 2 ** 32 - (2 ** 32 % n);
    let drawn = word();
    while (drawn >= limit) drawn = word();
    return drawn % n;
  }

  return {
    next: () => ((word() >>> 5) * 2 ** 26 + (word() >>> 6)) / 2 ** 53,
    int,
    shuffle<T>(xs: readonly T[]): T[] {
      const out = [...xs];
      for (let i = out.length - 1; i > 0; i--) {
        const j = int(i + 1);
        [out[i], out[j]] = [out[j] as T, out[i] as T];
      }
      return out;
    },
  };
}

/** Four 32-bit words from text: four FNV-1a lanes with different bases, each finished by murmur3's mixer. */
function seedWords(text: string): [number, number, number, number] {
  const lane = (basis: number): number => {
    let hash = basis | 0;
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return hash ^ (hash >>> 16);
  };
  return [lane(0x811c9dc5), lane(0x9e3779b9), lane(0x243f6a88), lane(0xb7e15162)];
}
