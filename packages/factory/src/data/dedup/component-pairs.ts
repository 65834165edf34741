// In: an index and its groups of rows that hang together. Out: the pairs that are near, with their similarity.
// Small groups get every pair. A group of thousands would have millions, so there each row gets its nearest leaders and its
// neighbours below the same leader; that is enough to choose survivors anew when some leader has gone.
import type { RowPairs } from '../clean-step.ts';
import type { NearIndex } from './near-index.ts';

const ALL_PAIRS_UP_TO = 64;
const NEIGHBOURS = 8;

/** `before(a, b)` is negative when `a` stays rather than `b`; all numbers are those of the index. */
export function componentPairs(
  index: NearIndex,
  groups: readonly (readonly number[])[],
  before: (a: number, b: number) => number,
): PairList {
  const pairs = new PairList();
  for (const group of groups) {
    if (group.length <= ALL_PAIRS_UP_TO) {
      for (let i = 0; i < group.length; i++)
        for (let j = i + 1; j < group.length; j++) addNear(index, pairs, group[i]!, group[j]!);
      continue;
    }
    const stars: number[][] = [];
    for (const row of [...group].sort(before)) {
      let isFollower = false;
      for (const star of stars) {
        if (!addNear(index, pairs, star[0]!, row)) continue;
        for (const member of star.slice(Math.max(1, star.length - NEIGHBOURS)))
          addNear(index, pairs, member, row);
        star.push(row);
        isFollower = true;
      }
      if (!isFollower) stars.push([row]);
    }
  }
  return pairs;
}

function addNear(index: NearIndex, pairs: PairList, a: number, b: number): boolean {
  const similarity = index.similarity(a, b);
  if (similarity < 0) return false;
  pairs.add(a, b, similarity);
  return true;
}

export class PairList {
  readonly a: number[] = [];
  readonly b: number[] = [];
  readonly value: number[] = [];

  add(a: number, b: number, value: number): void {
    this.a.push(a);
    this.b.push(b);
    this.value.push(value);
  }

  /** The same pairs in other numbers, with values held to at most `most`. */
  renumber(rowOf: (index: number) => number, most: number): PairList {
    const list = new PairList();
    for (let i = 0; i < this.a.length; i++)
      list.add(rowOf(this.a[i]!), rowOf(this.b[i]!), Math.min(most, this.value[i]!));
    return list;
  }

  toPairs(): RowPairs {
    return {
      a: Uint32Array.from(this.a),
      b: Uint32Array.from(this.b),
      value: Float64Array.from(this.value),
    };
  }
}
