// In: sizes and a window. Out: additive masks: 0 where a query may look, MASKED elsewhere.

/** Far below any score, and finite, so that a row of nothing but padding stays free of NaN. */
export const MASKED = -1e9;

/** [width, width]: query t sees keys t - window + 1 ... t (all of 0 ... t without a window). */
export function causalMask(width: number, window: number | null): Float32Array {
  const mask = new Float32Array(width * width).fill(MASKED);
  for (let t = 0; t < width; t++) {
    const first = window === null ? 0 : Math.max(0, t - window + 1);
    mask.fill(0, t * width + first, t * width + t + 1);
  }
  return mask;
}

/** [rows, width, width]: as `causalMask`, and no query sees a slot before the start of its own part. */
export function partMask(
  { rows, width, partStart }: { rows: number; width: number; partStart: Int32Array },
  window: number | null,
): Float32Array {
  const mask = new Float32Array(rows * width * width).fill(MASKED);
  for (let slot = 0; slot < rows * width; slot++) {
    const t = slot % width;
    const first = Math.max(partStart[slot], window === null ? 0 : t - window + 1);
    mask.fill(0, slot * width + first, slot * width + t + 1);
  }
  return mask;
}

/**
 * [rows, width, width] of token trees: a query sees itself and what is before it on its path. Parents come before their
 * children; `depth` is the position on the path, by which a window counts.
 */
export function treeMask(
  { rows, width, parent, depth }: { rows: number; width: number; parent: Int32Array; depth: Int32Array },
  window: number | null,
): Float32Array {
  const mask = new Float32Array(rows * width * width).fill(MASKED);
  for (let row = 0; row < rows; row++) {
    for (let t = 0; t < width; t++) {
      const slot = row * width + t;
      const own = slot * width;
      const before = parent[slot];
      if (before >= 0) {
        const from = (row * width + before) * width;
        mask.copyWithin(own, from, from + before + 1);
      }
      mask[own + t] = 0;
      if (window === null) continue;
      for (let s = 0; s < t; s++) if (depth[row * width + s] <= depth[slot] - window) mask[own + s] = MASKED;
    }
  }
  return mask;
}

export interface CachedSlots {
  /** Cache slots already written, for every row. */
  past: number;
  /** New slots, for every row. */
  fresh: number;
  /** Per row: position of each slot 0 ... past + fresh - 1, or -1 where the slot holds padding. */
  slotPositions: Int32Array[];
}

/** [rows, group * fresh, past + fresh], the queries repeated for each query head of a group. */
export function cachedMask(
  { past, fresh, slotPositions }: CachedSlots,
  group: number,
  window: number | null,
): Float32Array {
  const total = past + fresh;
  const mask = new Float32Array(slotPositions.length * group * fresh * total).fill(MASKED);
  slotPositions.forEach((positions, row) => {
    for (let t = 0; t < fresh; t++) {
      const at = positions[past + t];
      const base = (row * group * fresh + t) * total;
      for (let s = 0; s < total; s++) {
        const p = positions[s];
        const visible = p >= 0 && p <= at && (window === null || p > at - window);
        // A padding query looks at itself, so that its softmax is defined.
        if (visible || (at < 0 && s === past + t)) mask[base + s] = 0;
      }
      for (let g = 1; g < group; g++) mask.copyWithin(base + g * fresh * total, base, base + total);
    }
  });
  return mask;
}
