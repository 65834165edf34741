// In: true and predicted labels. Out: accuracy, macro-F1 and the confusion matrix, with 95 % intervals.
// Definitions are scikit-learn's with zero_division=0: a label that is never predicted has precision and F1 of 0.
import { invariant } from '#factory/errors.ts';
import { seededRandom } from '#factory/records/seeded-random.ts';

export interface LabelScore {
  label: string;
  precision: number;
  recall: number;
  f1: number;
  support: number;
}

export interface ClassificationReport {
  rows: number;
  accuracy: number;
  accuracyInterval: [low: number, high: number];
  macroF1: number;
  macroF1Interval: [low: number, high: number];
  perLabel: LabelScore[];
  /** `confusion[i][j]`: rows of true label i that were called label j, in the order of `labels`. */
  confusion: number[][];
}

/** The 97.5th percentile of the normal distribution. */
const Z95 = 1.959963984540054;
const RESAMPLES = 1000;

export function classificationReport(
  truth: readonly string[],
  predicted: readonly string[],
  labels: readonly string[],
): ClassificationReport {
  invariant(
    truth.length === predicted.length && truth.length > 0,
    'one prediction per row, at least one row',
  );
  const indexOf = (label: string): number => {
    const index = labels.indexOf(label);
    invariant(index >= 0, `label ${label} is one of ${labels.join(', ')}`);
    return index;
  };
  const pairs = truth.map((label, i): [number, number] => [indexOf(label), indexOf(predicted[i]!)]);
  const confusion = confusionOf(pairs, labels.length);
  const scores = labels.map((label, i) => labelScore(label, i, confusion));
  const correct = sum(labels.map((_, i) => confusion[i]![i]!));
  return {
    rows: truth.length,
    accuracy: correct / truth.length,
    accuracyInterval: wilsonInterval(correct, truth.length),
    macroF1: macroF1(confusion),
    macroF1Interval: bootstrapMacroF1(pairs, labels.length),
    perLabel: scores,
    confusion,
  };
}

/** Wilson's score interval for a share, 95 %; E. B. Wilson, JASA 22 (1927). It stays inside 0 to 1. */
export function wilsonInterval(hits: number, trials: number): [number, number] {
  const p = hits / trials;
  const zz = (Z95 * Z95) / trials;
  const center = (p + zz / 2) / (1 + zz);
  const half = (Z95 * Math.sqrt((p * (1 - p)) / trials + zz / (4 * trials))) / (1 + zz);
  return [Math.max(0, center - half), Math.min(1, center + half)];
}

/** Percentile bootstrap over rows, with a fixed seed so that equal predictions print equal intervals. */
function bootstrapMacroF1(pairs: readonly [number, number][], labelCount: number): [number, number] {
  const random = seededRandom('classification-report/bootstrap');
  const values = Array.from({ length: RESAMPLES }, () =>
    macroF1(
      confusionOf(
        pairs.map(() => pairs[random.int(pairs.length)]!),
        labelCount,
      ),
    ),
  ).sort((x, y) => x - y);
  return [values[Math.floor(RESAMPLES * 0.025)]!, values[Math.ceil(RESAMPLES * 0.975) - 1]!];
}

function confusionOf(pairs: readonly [number, number][], labelCount: number): number[][] {
  const confusion = Array.from({ length: labelCount }, () => new Array<number>(labelCount).fill(0));
  for (const [truth, predicted] of pairs) confusion[truth]![predicted]!++;
  return confusion;
}

function labelScore(label: string, i: number, confusion: number[][]): LabelScore {
  const hits = confusion[i]![i]!;
  const support = sum(confusion[i]!);
  const called = sum(confusion.map((row) => row[i]!));
  return {
    label,
    precision: called === 0 ? 0 : hits / called,
    recall: support === 0 ? 0 : hits / support,
    f1: f1Of(i, confusion),
    support,
  };
}

function macroF1(confusion: number[][]): number {
  return sum(confusion.map((_, i) => f1Of(i, confusion))) / confusion.length;
}

/** 2·TP / (2·TP + FP + FN). */
function f1Of(i: number, confusion: number[][]): number {
  const hits = confusion[i]![i]!;
  const marked = sum(confusion[i]!) + sum(confusion.map((row) => row[i]!));
  return marked === 0 ? 0 : (2 * hits) / marked;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
