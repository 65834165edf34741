// In: groups of rows, a label per row, and the share of each part. Out: the part of every row: whole groups only, every label in
// every part as near to its share as the groups allow, from a seed.
import { seededRandom } from '#factory/records/seeded-random.ts';

export interface Share {
  name: string;
  /** 0 to 1; all shares together make 1. */
  share: number;
}

/** Large groups are placed first, because small ones can still even out; equal ones in the order of the seed. */
export function assignGroups(
  groups: readonly (readonly number[])[],
  label: (row: number) => string,
  shares: readonly Share[],
  seed: number,
): string[] {
  const open = shares.filter(({ share }) => share > 0);
  const totals = new Map<string, number>();
  let rows = 0;
  for (const group of groups)
    for (const row of group) {
      totals.set(label(row), (totals.get(label(row)) ?? 0) + 1);
      rows++;
    }
  const wanted = open.map(({ share }) => new Map([...totals].map(([name, n]) => [name, n * share])));
  const left = wanted.map((counts) => new Map(counts));
  const parts = new Array<string>(rows);
  const order = seededRandom(`split/${seed}`)
    .shuffle(groups)
    .sort((a, b) => b.length - a.length);
  for (const group of order) {
    const counts = new Map<string, number>();
    for (const row of group) counts.set(label(row), (counts.get(label(row)) ?? 0) + 1);
    let best = 0;
    let bestFit = -1;
    let bestNeed = Number.NEGATIVE_INFINITY;
    for (let part = 0; part < open.length; part++) {
      // Rows that still fit; where as many fit in two parts, the one that lacks more of its share.
      let fit = 0;
      let need = 0;
      for (const [name, n] of counts) {
        const room = left[part]!.get(name)!;
        fit += Math.min(n, Math.max(0, room));
        need += (n * room) / wanted[part]!.get(name)!;
      }
      const isMore = fit > bestFit + 1e-9 || (fit > bestFit - 1e-9 && need > bestNeed + 1e-12);
      if (!isMore) continue;
      best = part;
      bestFit = fit;
      bestNeed = need;
    }
    for (const [name, n] of counts) left[best]!.set(name, left[best]!.get(name)! - n);
    for (const row of group) parts[row] = open[best]!.name;
  }
  return parts;
}
