// In: confidence and correctness of rows. Out: what is left of the errors when the least sure answers are withheld.
// Rows of equal confidence cannot be told apart: inside such a group errors are spread evenly.

export interface RiskCoveragePoint {
  /** Answers at least this sure are given. */
  threshold: number;
  /** Rows that are answered, and wrong answers among them. */
  answered: number;
  wrong: number;
}

/** One point per distinct confidence, the surest first. */
export function riskCoverageCurve(
  confidence: ArrayLike<number>,
  correct: ArrayLike<number>,
  rows: ArrayLike<number>,
): RiskCoveragePoint[] {
  const order = Uint32Array.from(rows).sort((a, b) => confidence[b] - confidence[a]);
  const points: RiskCoveragePoint[] = [];
  let wrong = 0;
  order.forEach((row, i) => {
    wrong += 1 - correct[row];
    const isLastOfEqual = i + 1 === order.length || confidence[order[i + 1]] !== confidence[row];
    if (isLastOfEqual) points.push({ threshold: confidence[row], answered: i + 1, wrong });
  });
  return points;
}

export function areaUnderRisk(
  confidence: ArrayLike<number>,
  correct: ArrayLike<number>,
  rows: ArrayLike<number>,
): number {
  let total = 0;
  let before = { answered: 0, wrong: 0 };
  for (const point of riskCoverageCurve(confidence, correct, rows)) {
    for (let k = before.answered + 1; k <= point.answered; k++) total += between(before, point, k) / k;
    before = point;
  }
  return total / rows.length;
}

export function accuracyAtCoverage(
  confidence: ArrayLike<number>,
  correct: ArrayLike<number>,
  rows: ArrayLike<number>,
  coverage: number,
): number {
  // 0.07 · 100 is a bit over 7.
  const wanted = Math.ceil(coverage * rows.length - 1e-9);
  let before = { answered: 0, wrong: 0 };
  for (const point of riskCoverageCurve(confidence, correct, rows)) {
    if (point.answered >= wanted) return 1 - between(before, point, wanted) / wanted;
    before = point;
  }
  return Number.NaN;
}

export function coverageAtAccuracy(
  confidence: ArrayLike<number>,
  correct: ArrayLike<number>,
  rows: ArrayLike<number>,
  accuracy: number,
): number {
  const enough = riskCoverageCurve(confidence, correct, rows).filter(
    ({ answered, wrong }) => answered - wrong >= accuracy * answered,
  );
  return (enough.at(-1)?.answered ?? 0) / rows.length;
}

/** Expected wrong answers among the k surest rows. */
function between(
  before: { answered: number; wrong: number },
  point: { answered: number; wrong: number },
  k: number,
): number {
  const share = (k - before.answered) / (point.answered - before.answered);
  return before.wrong + share * (point.wrong - before.wrong);
}
