// In: rows and the part that each was given. Out: how many rows of one part are the same as, or near to, a row of another: all
// zero where the split is right. `near.seed` must give other hash functions than those that made the groups.
import type { RowSet } from '../clean-step.ts';
import { exactKey } from '../dedup/exact-key.ts';
import { NearIndex, type NearOptions } from '../dedup/near-index.ts';
import { UnionFind } from '../dedup/union-find.ts';
import { askedSides } from './leakage-groups.ts';

export interface CrossCheck {
  same_prompt: number;
  near_prompt: number;
  same_column: number;
}

export interface CrossTies {
  counts: CrossCheck;
  /** Rows that hang together by near prompts, in more than one part. */
  torn: number[][];
}

export function crossCheck(
  rows: RowSet,
  parts: readonly string[],
  columns: readonly string[],
  near: NearOptions,
): CrossTies {
  const prompts = new Parted();
  const values = new Parted();
  const index = new NearIndex(rows.count, near);
  for (let row = 0; row < rows.count; row++) {
    const sides = askedSides(rows, row);
    prompts.add(exactKey(sides.prompt ?? ''), parts[row]!);
    index.add(sides);
    const { extra } = rows.row(row);
    for (const column of columns) {
      const value = extra[column];
      if (value === undefined || value === null || value === '') continue;
      values.add(JSON.stringify([column, value]), parts[row]!);
    }
  }
  const groups = new UnionFind(rows.count);
  for (let band = 0; band < index.bands; band++) index.joinBand(band, groups);
  const torn = groups.groups().filter((group) => new Set(group.map((row) => parts[row])).size > 1);
  return {
    counts: { same_prompt: prompts.torn, near_prompt: torn.length, same_column: values.torn },
    torn,
  };
}

/** Counts values that occur in more than one part. */
class Parted {
  readonly #part = new Map<string, string>();
  readonly #torn = new Set<string>();

  add(value: string, part: string): void {
    const first = this.#part.get(value);
    if (first === undefined) this.#part.set(value, part);
    else if (first !== part) this.#torn.add(value);
  }

  get torn(): number {
    return this.#torn.size;
  }
}
