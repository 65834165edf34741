// In: pairs of rows that are like each other, which rows are there, and which would rather stay. Out: for every row that goes,
// the row that stays for it. Pairs of value 1 are the same text and hang together through each other; near ones do not: every
// row that goes for nearness is itself near to the one that stays, so a chain a ~ b ~ c does not drop c for a.
import type { RowPairs } from '../clean-step.ts';
import { UnionFind } from './union-find.ts';

/** The value of a pair with the same text. Near pairs with equal shingles are held below it. */
export const SAME = 1;
export const NEARLY_SAME = 0.9999;

export interface Duplicate {
  row: number;
  survivor: number;
  similarity: number;
}

/** `before(a, b)` is negative when `a` stays rather than `b`. Ordered by row. */
export function chooseSurvivors(
  count: number,
  { a, b, value }: RowPairs,
  least: number | null,
  alive: Readonly<Uint8Array>,
  before: (a: number, b: number) => number,
): Duplicate[] {
  const gone: Duplicate[] = [];
  const same = new UnionFind(count);
  for (let i = 0; i < a.length; i++) if (value[i] === SAME) same.join(a[i]!, b[i]!);

  // One row of each group of equals stays for it; near pairs are between groups.
  const leader = new Int32Array(count).fill(-1);
  for (let row = 0; row < count; row++) {
    const group = same.root(row);
    const holder = leader[group]!;
    if (alive[row] && (holder === -1 || before(row, holder) < 0)) leader[group] = row;
  }
  for (let row = 0; row < count; row++) {
    const survivor = leader[same.root(row)]!;
    if (alive[row] && survivor !== row) gone.push({ row, survivor, similarity: SAME });
  }
  if (least === null) return gone;

  const neighbours = new Map<number, { row: number; similarity: number }[]>();
  const link = (from: number, to: number, similarity: number) => {
    const list = neighbours.get(from);
    if (list) list.push({ row: to, similarity });
    else neighbours.set(from, [{ row: to, similarity }]);
  };
  for (let i = 0; i < a.length; i++) {
    if (value[i] === SAME || value[i]! < least) continue;
    const x = leader[same.root(a[i]!)]!;
    const y = leader[same.root(b[i]!)]!;
    if (x === -1 || y === -1 || x === y) continue;
    link(x, y, value[i]!);
    link(y, x, value[i]!);
  }
  const stays = new Set<number>();
  for (const row of [...neighbours.keys()].sort(before)) {
    let best: Duplicate | null = null;
    for (const { row: survivor, similarity } of neighbours.get(row)!) {
      if (!stays.has(survivor)) continue;
      if (
        best === null ||
        similarity > best.similarity ||
        (similarity === best.similarity && before(survivor, best.survivor) < 0)
      )
        best = { row, survivor, similarity };
    }
    if (best) gone.push(best);
    else stays.add(row);
  }
  // A row that stood for its equals may have gone for a near one; its equals then point to that one.
  const heir = new Map(gone.filter(({ similarity }) => similarity !== SAME).map((d) => [d.row, d.survivor]));
  for (const one of gone) one.survivor = heir.get(one.survivor) ?? one.survivor;
  return gone.sort((x, y) => x.row - y.row);
}
