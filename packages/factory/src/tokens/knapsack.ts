// In: lengths and a capacity. Out: which rows go into which pack. LLaMA-Factory's greedy_knapsack, order included:
// always the longest row that still fits, and of equal lengths the last one first.

/** Packs of indices into `lengths`. A row longer than the capacity is in no pack. */
export function packRows(lengths: readonly number[], capacity: number): number[][] {
  const rows = lengths.map((_, i) => i).filter((i) => (lengths[i] as number) <= capacity);
  // Ascending and stable: of equal lengths the last row of the file is the last of its run, and is taken first.
  rows.sort((a, b) => (lengths[a] as number) - (lengths[b] as number) || a - b);
  const packs: number[][] = [];
  while (rows.length > 0) {
    const pack: number[] = [];
    let left = capacity;
    for (;;) {
      const at = lastFitting(rows, lengths, left);
      if (at < 0) break;
      const [row] = rows.splice(at, 1);
      left -= lengths[row as number] as number;
      pack.push(row as number);
    }
    packs.push(pack);
  }
  return packs;
}

/** Index of the last row with a length up to `limit`, or -1. */
function lastFitting(rows: readonly number[], lengths: readonly number[], limit: number): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((lengths[rows[middle] as number] as number) <= limit) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
