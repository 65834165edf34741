// In: true and predicted classes as numbers. Out: the confusion counts of some rows, and what follows from them:
// precision, recall, F1, their averages, MCC and Cohen's kappa, each as scikit-learn defines it.
import type { Classified } from './labels.ts';

/** 0, 1, or NaN: a class whose figure is not defined then leaves the average (scikit-learn 1.3 and later). */
export type ZeroDivision = number;
export type Average = 'macro' | 'weighted' | 'micro';
export type Figure = 'precision' | 'recall' | 'f1';

/** What all figures follow from: the diagonal of the confusion counts and their sums by row and by column. */
export interface Tally {
  /** Classes with the bucket of invalid answers, which is the last one. */
  size: number;
  hits: Float64Array;
  /** Rows by true class, and by predicted class. */
  support: Float64Array;
  called: Float64Array;
  total: number;
}

export function tallyOf({ labels, truth, predicted }: Classified, rows: ArrayLike<number>): Tally {
  const size = labels.length + 1;
  const [hits, support, called] = [new Float64Array(size), new Float64Array(size), new Float64Array(size)];
  for (let i = 0; i < rows.length; i++) {
    const [isLabel, asLabel] = [truth[rows[i]], predicted[rows[i]]];
    support[isLabel]++;
    called[asLabel]++;
    if (isLabel === asLabel) hits[isLabel]++;
  }
  return { size, hits, support, called, total: rows.length };
}

/** `[true label][predicted label]`, the last column being answers off the set. */
export function confusionCounts({ labels, truth, predicted }: Classified): number[][] {
  const counts = labels.map(() => new Array<number>(labels.length + 1).fill(0));
  truth.forEach((label, i) => {
    counts[label][predicted[i]]++;
  });
  return counts;
}

export function accuracyOf(tally: Tally): number {
  let hits = 0;
  for (let label = 0; label < tally.size; label++) hits += tally.hits[label];
  return hits / tally.total;
}

/** Of one class. `zeroDivision` is the value where precision or recall has nothing to divide by; for F1, where both have. */
export function figureOf(figure: Figure, tally: Tally, label: number, zeroDivision: ZeroDivision): number {
  const { support, called } = tally;
  return quotient(figure, tally.hits[label], called[label], support[label], zeroDivision);
}

/** Over the first `classes` classes: all declared ones, or also the bucket of invalid answers. */
export function averageOf(
  figure: Figure,
  average: Average,
  tally: Tally,
  classes: number,
  zeroDivision: ZeroDivision,
): number {
  const { support, called } = tally;
  let [hits, marked, real, total, weights] = [0, 0, 0, 0, 0];
  for (let label = 0; label < classes; label++) {
    hits += tally.hits[label];
    marked += called[label];
    real += support[label];
    const value = figureOf(figure, tally, label, zeroDivision);
    if (Number.isNaN(value)) continue;
    const weight = average === 'weighted' ? support[label] : 1;
    total += weight * value;
    weights += weight;
  }
  if (average === 'micro') return quotient(figure, hits, marked, real, zeroDivision);
  return weights === 0 ? zeroDivision : total / weights;
}

function quotient(
  figure: Figure,
  hits: number,
  called: number,
  support: number,
  zeroDivision: number,
): number {
  const below = figure === 'precision' ? called : figure === 'recall' ? support : called + support;
  if (below === 0) return zeroDivision;
  return (figure === 'f1' ? 2 * hits : hits) / below;
}

/** Mean recall over the classes that have rows. */
export function balancedAccuracyOf(tally: Tally): number {
  return averageOf('recall', 'macro', tally, tally.size, Number.NaN);
}

/** Matthews' correlation for any number of classes (Gorodkin 2004); 0 where one side has one class only. */
export function mccOf(tally: Tally): number {
  const { support, called, total, size } = tally;
  let [both, realSquares, calledSquares] = [0, 0, 0];
  for (let label = 0; label < size; label++) {
    both += support[label] * called[label];
    realSquares += support[label] ** 2;
    calledSquares += called[label] ** 2;
  }
  const hits = accuracyOf(tally) * total;
  const spread = (total ** 2 - calledSquares) * (total ** 2 - realSquares);
  return spread === 0 ? 0 : (hits * total - both) / Math.sqrt(spread);
}

/** Cohen's kappa; NaN where chance alone would agree always. */
export function kappaOf(tally: Tally): number {
  const { support, called, total, size } = tally;
  let byChance = 0;
  for (let label = 0; label < size; label++) byChance += support[label] * called[label];
  const chance = byChance / total ** 2;
  return chance === 1 ? Number.NaN : (accuracyOf(tally) - chance) / (1 - chance);
}
