// In: texts. Out: which of them say nearly the same, measured exactly on word shingles.
// An inverted index finds every pair that shares a shingle, so nothing is missed as sketches would.
// Meant for some ten thousand short texts; it does not scale to millions.

/** Words per shingle. Shorter texts are one shingle. */
const SHINGLE_WORDS = 4;

export interface NearPair {
  a: number;
  b: number;
  jaccard: number;
  /** Shared shingles over those of the shorter text. */
  containment: number;
}

/** Texts count as near-duplicates from here on. */
export const NEAR_JACCARD = 0.5;
export const NEAR_CONTAINMENT = 0.8;

export function isNear(pair: Pick<NearPair, 'jaccard' | 'containment'>): boolean {
  return pair.jaccard >= NEAR_JACCARD || pair.containment >= NEAR_CONTAINMENT;
}

/** Group number of every text; near-duplicates (also through a third text) share one. Numbers start at 0, in order. */
export function nearDuplicateGroups(texts: readonly string[]): number[] {
  const parent = texts.map((_, i) => i);
  const root = (i: number): number => {
    let top = i;
    while (parent[top] !== top) top = parent[top]!;
    while (parent[i] !== top) [i, parent[i]] = [parent[i]!, top];
    return top;
  };
  for (const pair of overlaps(texts, texts)) {
    if (pair.a < pair.b && isNear(pair)) {
      const [low, high] = [root(pair.a), root(pair.b)].sort((x, y) => x - y) as [number, number];
      parent[high] = low;
    }
  }
  const numbers = new Map<number, number>();
  return texts.map((_, i) => {
    const top = root(i);
    if (!numbers.has(top)) numbers.set(top, numbers.size);
    return numbers.get(top)!;
  });
}

/** Every pair (one of `left`, one of `right`) that shares a shingle, ordered by `a`, then `b`. */
export function* overlaps(left: readonly string[], right: readonly string[]): Generator<NearPair> {
  const rightSets = right.map(shingles);
  const index = new Map<string, number[]>();
  rightSets.forEach((set, b) => {
    for (const shingle of set) {
      const list = index.get(shingle);
      if (list) list.push(b);
      else index.set(shingle, [b]);
    }
  });
  for (let a = 0; a < left.length; a++) {
    const set = left === right ? rightSets[a]! : shingles(left[a]!);
    const shared = new Map<number, number>();
    for (const shingle of set) {
      for (const b of index.get(shingle) ?? []) shared.set(b, (shared.get(b) ?? 0) + 1);
    }
    for (const [b, count] of [...shared].sort((x, y) => x[0] - y[0])) {
      const other = rightSets[b]!.size;
      yield {
        a,
        b,
        jaccard: count / (set.size + other - count),
        containment: count / Math.min(set.size, other),
      };
    }
  }
}

/** Case, punctuation, digits and spacing do not count: `Win $500!` and `win 900` give the same words. */
export function shingles(text: string): Set<string> {
  const words =
    text
      .toLowerCase()
      .replace(/\p{N}+/gu, '0')
      .match(/[\p{L}\p{M}0]+/gu) ?? [];
  const found = new Set<string>();
  if (words.length > 0 && words.length < SHINGLE_WORDS) found.add(words.join(' '));
  for (let i = 0; i + SHINGLE_WORDS <= words.length; i++)
    found.add(words.slice(i, i + SHINGLE_WORDS).join(' '));
  return found;
}
