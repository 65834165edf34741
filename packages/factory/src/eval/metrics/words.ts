// In: text or a list of tokens. Out: words by Python's idea of white space, n-gram counts, longest common subsequences:
// what the metrics of generated text share. Characters are code points everywhere, as in Python.

/** Python's `str.split()` also splits at the four ASCII separators, and not at U+FEFF, which JavaScript's \s does. */
const SPACE = `\\p{White_Space}${String.fromCharCode(0x1c)}-${String.fromCharCode(0x1f)}`;
const SPACES = new RegExp(`[${SPACE}]+`, 'u');
const TRAILING = new RegExp(`[${SPACE}]+$`, 'u');
const LEADING = new RegExp(`^[${SPACE}]+`, 'u');

export function splitWords(text: string): string[] {
  return text.split(SPACES).filter((word) => word !== '');
}

export function trimEnd(text: string): string {
  return text.replace(TRAILING, '');
}

export function trim(text: string): string {
  return trimEnd(text).replace(LEADING, '');
}

/** n-gram → how often it occurs. `glue` must not occur inside a token, unless tokens are single characters. */
export function ngramCounts(tokens: readonly string[], n: number, glue: ' ' | ''): Map<string, number> {
  const counts = new Map<string, number>();
  for (let i = 0; i + n <= tokens.length; i++) {
    const ngram = tokens.slice(i, i + n).join(glue);
    counts.set(ngram, (counts.get(ngram) ?? 0) + 1);
  }
  return counts;
}

/** How many n-grams of `counts` are in `others`, each at most as often as there. */
export function clippedMatches(
  counts: ReadonlyMap<string, number>,
  others: ReadonlyMap<string, number>,
): number {
  let matches = 0;
  for (const [ngram, count] of counts) matches += Math.min(count, others.get(ngram) ?? 0);
  return matches;
}

export function totalOf(counts: ReadonlyMap<string, number>): number {
  let total = 0;
  for (const count of counts.values()) total += count;
  return total;
}

/** Row i, column j: length of the longest common subsequence of a[0, i) and b[0, j). */
export function subsequenceTable(a: readonly string[], b: readonly string[]): Int32Array[] {
  const table = [new Int32Array(b.length + 1)];
  for (let i = 1; i <= a.length; i++) {
    const [above, row] = [table[i - 1], new Int32Array(b.length + 1)];
    for (let j = 1; j <= b.length; j++) {
      row[j] = a[i - 1] === b[j - 1] ? above[j - 1] + 1 : Math.max(above[j], row[j - 1]);
    }
    table.push(row);
  }
  return table;
}

export function subsequenceLength(a: readonly string[], b: readonly string[]): number {
  let above = new Int32Array(b.length + 1);
  for (const item of a) {
    const row = new Int32Array(b.length + 1);
    for (let j = 1; j <= b.length; j++) {
      row[j] = item === b[j - 1] ? above[j - 1] + 1 : Math.max(above[j], row[j - 1]);
    }
    above = row;
  }
  return above[b.length];
}
