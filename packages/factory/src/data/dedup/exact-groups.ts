// In: one key text per row. Out: for every row the first row with the same text.
// Rows are found by hash and confirmed by text, so a collision of hashes cannot drop a row.
import { hash53 } from './exact-key.ts';

/** `firsts[row]` is the first row with the text of `row`; it is `row` itself for the first. `key` is asked again to confirm. */
export function exactFirsts(count: number, key: (row: number) => string): Int32Array {
  const firsts = new Int32Array(count);
  // Open addressing in flat arrays: a Map of a million numbers takes three times the memory.
  const slots = 2 ** Math.ceil(Math.log2(Math.max(16, count * 2)));
  const heads = new Int32Array(slots).fill(-1);
  const hashes = new Float64Array(slots);
  for (let row = 0; row < count; row++) {
    const text = key(row);
    const hash = hash53(text);
    let slot = hash % slots;
    while (heads[slot] !== -1 && !(hashes[slot] === hash && key(heads[slot]!) === text))
      slot = (slot + 1) & (slots - 1);
    if (heads[slot] === -1) {
      heads[slot] = row;
      hashes[slot] = hash;
    }
    firsts[row] = heads[slot]!;
  }
  return firsts;
}
