// In: true and predicted classes as numbers. Out: the confusion counts of some rows, and what follows from them:
// precision, recall, F1, their averages, MCC and Cohen's kappa, each as scikit-learn defines it.
import type { Classified } from './labels.ts';

/** 0, 1, or NaN: a class whose figure is not defined then leaves the average (scikit-learn 1.3 and later). */
export type ZeroDivision = number;
export type Average = 'macro' | 'weighted' | 'micro';
export type Figure = 'precision' | 'recall' | 'f1';

export interface Confusion {
  /** Classes with the bucket of invalid answers, which is the last one. */
  size: number;
  /** `counts[truth * size + predicted]` */
  counts: Float64Array;
  /** Rows by true class, and by predicted class. */
  support: Float64Array;
  called: Float64Array;
  total: number;
}

export function confusionOf({ labels, truth, predicted }: Classified, rows: ArrayLike<number>): Confusion {
  const size = labels.length + 1;
  const counts = new Float64Array(size * size);
  for (let i = 0; i < rows.length; i++) counts[truth[rows[i]] * size + predicted[rows[i]]]++;
  const support = new Float64Array(size);
  const called = new Float64Array(size);
  for (let t = 0; t < size; t++) {
    for (let p = 0; p < size; p++) {
      support[t] += counts[t * size + p];
      called[p] += counts[t * size + p];
    }
  }
  return { size, counts, support, called, total: rows.length };
}

export function hitsOf({ counts, size }: Confusion, label: number): number {
  return counts[label * size + label];
}

export function accuracyOf(confusion: Confusion): number {
  let hits = 0;
  for (let label = 0; label < confusion.size; label++) hits += hitsOf(confusion, label);
  return hits / confusion.total;
}

/** Of one class. `zeroDivision` is the value where precision or recall has nothing to divide by; for F1, where both have. */
export function figureOf(
  figure: Figure,
  confusion: Confusion,
  label: number,
  zeroDivision: ZeroDivision,
): number {
  const { support, called } = confusion;
  return quotient(figure, hitsOf(confusion, label), called[label], support[label], zeroDivision);
}

/** The same without the counts of the other classes, for resampling many classes. */
export function figureOfOne(
  figure: Figure,
  { truth, predicted }: Classified,
  label: number,
  rows: ArrayLike<number>,
  zeroDivision: ZeroDivision,
): number {
  let [hits, called, support] = [0, 0, 0];
  for (let i = 0; i < rows.length; i++) {
    const [isReal, isCalled] = [truth[rows[i]] === label, predicted[rows[i]] === label];
    if (isReal) support++;
    if (isCalled) called++;
    if (isReal && isCalled) hits++;
  }
  return quotient(figure, hits, called, support, zeroDivision);
}

/** Over the first `classes` classes: all declared ones, or also the bucket of invalid answers. */
export function averageOf(
  figure: Figure,
  average: Average,
  confusion: Confusion,
  classes: number,
  zeroDivision: ZeroDivision,
): number {
  const { support, called } = confusion;
  let [hits, marked, real, total, weights] = [0, 0, 0, 0, 0];
  for (let label = 0; label < classes; label++) {
    hits += hitsOf(confusion, label);
    marked += called[label];
    real += support[label];
    const value = figureOf(figure, confusion, label, zeroDivision);
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
export function balancedAccuracyOf(confusion: Confusion): number {
  return averageOf('recall', 'macro', confusion, confusion.size, Number.NaN);
}

/** Matthews' correlation for any number of classes (Gorodkin 2004); 0 where one side has one class only. */
export function mccOf(confusion: Confusion): number {
  const { support, called, total, size } = confusion;
  let [both, realSquares, calledSquares] = [0, 0, 0];
  for (let label = 0; label < size; label++) {
    both += support[label] * called[label];
    realSquares += support[label] ** 2;
    calledSquares += called[label] ** 2;
  }
  const hits = accuracyOf(confusion) * total;
  const spread = (total ** 2 - calledSquares) * (total ** 2 - realSquares);
  return spread === 0 ? 0 : (hits * total - both) / Math.sqrt(spread);
}

/** Cohen's kappa; NaN where chance alone would agree always. */
export function kappaOf(confusion: Confusion): number {
  const { support, called, total, size } = confusion;
  let byChance = 0;
  for (let label = 0; label < size; label++) byChance += support[label] * called[label];
  const chance = byChance / total ** 2;
  return chance === 1 ? Number.NaN : (accuracyOf(confusion) - chance) / (1 - chance);
}
