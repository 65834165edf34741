// In: pairs of row numbers that belong together. Out: the groups that follow, numbered by their first row.
// The root of a group is always its first row, so the result does not depend on the order of the pairs.

export class UnionFind {
  readonly #parent: Int32Array;

  constructor(count: number) {
    this.#parent = Int32Array.from({ length: count }, (_, i) => i);
  }

  get count(): number {
    return this.#parent.length;
  }

  root(row: number): number {
    const parent = this.#parent;
    let top = row;
    while (parent[top] !== top) top = parent[top]!;
    let at = row;
    while (parent[at] !== top) {
      const up = parent[at]!;
      parent[at] = top;
      at = up;
    }
    return top;
  }

  joined(a: number, b: number): boolean {
    return this.root(a) === this.root(b);
  }

  join(a: number, b: number): void {
    const x = this.root(a);
    const y = this.root(b);
    if (x < y) this.#parent[y] = x;
    else this.#parent[x] = y;
  }

  /** Groups of at least `least` rows, each ascending, in the order of their first rows. */
  groups(least = 2): number[][] {
    const sizes = new Int32Array(this.count);
    for (let i = 0; i < this.count; i++) sizes[this.root(i)]!++;
    const found = new Map<number, number[]>();
    for (let i = 0; i < this.count; i++) {
      const top = this.root(i);
      if (sizes[top]! < least) continue;
      const list = found.get(top);
      if (list) list.push(i);
      else found.set(top, [i]);
    }
    return [...found.values()];
  }
}
