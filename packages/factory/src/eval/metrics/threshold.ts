// In: the scores of a class and which rows are of it. Out: the threshold with the highest recall whose precision reaches
// a target. It is chosen on the rows that it is judged on: confirm it on others before it is used.

export interface Threshold {
  /** Rows with at least this score are called positive. */
  threshold: number;
  called: number;
  hits: number;
  precision: number;
  recall: number;
}

/** Null where no threshold reaches the precision, or no row is positive. A score of −∞ is never called positive. */
export function thresholdAtPrecision(
  scores: ArrayLike<number>,
  positive: ArrayLike<boolean>,
  rows: ArrayLike<number>,
  precision: number,
): Threshold | null {
  const order = Uint32Array.from(rows).sort((a, b) => scores[b] - scores[a]);
  const positives = order.filter((row) => positive[row]).length;
  let best: Threshold | null = null;
  let hits = 0;
  order.forEach((row, i) => {
    if (positive[row]) hits++;
    const isLastOfEqual = i + 1 === order.length || scores[order[i + 1]] !== scores[row];
    const called = i + 1;
    if (!isLastOfEqual || hits === 0 || hits < precision * called || scores[row] === Number.NEGATIVE_INFINITY)
      return;
    // With equal recall the higher threshold has the higher precision.
    if (best && hits === best.hits) return;
    best = { threshold: scores[row], called, hits, precision: hits / called, recall: hits / positives };
  });
  return best;
}
