// In: canonical rows. Out: groups of rows that must not be parted, because one of them in training would give away another in
// the test: the same prompt, nearly the same, or the same value in a column (conversation, template, document, parent).
// System texts do not count: the same question under another system text is still the same question.
import type { RowSet } from '../clean-step.ts';
import { exactFirsts } from '../dedup/exact-groups.ts';
import { exactKey } from '../dedup/exact-key.ts';
import { NEAR, NearIndex, type NearOptions } from '../dedup/near-index.ts';
import { commonShingles, type Sides } from '../dedup/row-shingles.ts';
import { rowSides } from '../dedup/row-sides.ts';
import { UnionFind } from '../dedup/union-find.ts';

export interface LeakageOptions {
  near: NearOptions;
  commonShare: number;
  /** Columns whose equal values tie rows together. */
  columns: readonly string[];
  /** The column with the content ids of the rows that a synthetic row was made from: it goes where its parents go. */
  parents: string;
}

export const LEAKAGE: LeakageOptions = { near: NEAR, commonShare: 0.25, columns: [], parents: 'parents' };

export interface LeakageGroups {
  groups: UnionFind;
  /** How many rows each kind of tie brought into a group of others. */
  ties: Record<string, number>;
  common: Set<number>;
}

/** Only what is asked; the answer may be the label. */
export function askedSides(rows: RowSet, row: number): Sides {
  return { ...rowSides(rows.row(row), 'prompt'), context: '' };
}

export async function leakageGroups(
  rows: RowSet,
  options: LeakageOptions,
  progress: (done: number, total: number) => Promise<void>,
): Promise<LeakageGroups> {
  const { count } = rows;
  const groups = new UnionFind(count);
  const ties: Record<string, number> = {};
  const tie = (kind: string, a: number, b: number) => {
    if (groups.joined(a, b)) return;
    groups.join(a, b);
    ties[kind] = (ties[kind] ?? 0) + 1;
  };
  const asked = (row: number) => askedSides(rows, row);

  const firsts = exactFirsts(count, (row) => exactKey(asked(row).prompt ?? ''));
  for (let row = 0; row < count; row++) if (firsts[row] !== row) tie('same_prompt', firsts[row]!, row);

  tieColumns(rows, options, tie);

  const distinct: number[] = [];
  for (let row = 0; row < count; row++) if (firsts[row] === row) distinct.push(row);
  const common = commonShingles(
    distinct.length,
    (i) => asked(distinct[i]!),
    options.commonShare,
    options.near,
  );
  const index = new NearIndex(distinct.length, { ...options.near, common });
  for (const [i, row] of distinct.entries()) {
    index.add(asked(row));
    if (i % 4096 === 0) await progress(i, distinct.length * 2);
  }
  const near = new UnionFind(distinct.length);
  for (let band = 0; band < index.bands; band++) {
    index.joinBand(band, near);
    await progress(distinct.length * (1 + (band + 1) / index.bands), distinct.length * 2);
  }
  for (let i = 0; i < distinct.length; i++)
    if (near.root(i) !== i) tie('near_prompt', distinct[near.root(i)]!, distinct[i]!);
  return { groups, ties, common };
}

function tieColumns(
  rows: RowSet,
  { columns, parents }: LeakageOptions,
  tie: (kind: string, a: number, b: number) => void,
): void {
  const byId = new Map<string, number>();
  const firstWith = new Map<string, number>();
  let hasParents = false;
  for (let row = 0; row < rows.count; row++) {
    const { extra } = rows.row(row);
    for (const column of columns) {
      const value = extra[column];
      if (value === undefined || value === null || value === '') continue;
      const key = JSON.stringify([column, value]);
      const first = firstWith.get(key);
      if (first === undefined) firstWith.set(key, row);
      else tie(`same_${column}`, first, row);
    }
    if (extra[parents] !== undefined) hasParents = true;
  }
  if (!hasParents) return;
  for (let row = 0; row < rows.count; row++) byId.set(rows.id(row), row);
  for (let row = 0; row < rows.count; row++) {
    const named = rows.row(row).extra[parents];
    const ids = Array.isArray(named) ? named : [named];
    for (const id of ids) {
      const parent = byId.get(String(id));
      if (parent !== undefined) tie('synthetic_parent', parent, row);
      // Children of a parent that is not here still belong together.
      else if (typeof id === 'string' && id !== '') {
        const first = firstWith.get(`parent:${id}`);
        if (first === undefined) firstWith.set(`parent:${id}`, row);
        else tie('synthetic_parent', first, row);
      }
    }
  }
}
