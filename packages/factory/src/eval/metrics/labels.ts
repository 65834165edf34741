// In: rows and a declared label set. Out: true and predicted classes as numbers; what is off the set goes to one bucket.
// Without a declared set, one invented label would join every average (as it does in scikit-learn), so it is required.
import { z } from 'zod';
import type { MetricName } from '#factory/records/metric-names.ts';
import type { PredictionRow } from '#factory/records/scorecard.ts';
import { badRow } from './definition.ts';

/** What an answer off the label set is called in tables. */
export const INVALID_LABEL = '__invalid__';

/** How an answer is read: `exact` after trimming; `ignore-case` too; `mention` takes the one label that occurs in it. */
const labelMatch = z.enum(['exact', 'ignore-case', 'mention']).default('exact');

export const labelOptions = {
  labels: z
    .array(z.string().min(1))
    .min(1)
    .refine((labels) => new Set(labels).size === labels.length, 'labels must differ from each other'),
  label_match: labelMatch,
};

export interface LabelOptions {
  labels: readonly string[];
  label_match: z.infer<typeof labelMatch>;
}

export interface Classified {
  labels: readonly string[];
  /** Number of the true label. */
  truth: Int32Array;
  /** Number of the predicted label; `labels.length` is off the set. */
  predicted: Int32Array;
  invalid: number;
}

export function classify(
  metric: MetricName,
  rows: readonly PredictionRow[],
  options: LabelOptions,
): Classified {
  const { labels } = options;
  const read = labelReader(options);
  const truth = Int32Array.from(rows, (row) => truthOf(metric, row, labels));
  const predicted = Int32Array.from(rows, (row) =>
    row.failure === undefined ? read(row.prediction) : labels.length,
  );
  return { labels, truth, predicted, invalid: predicted.filter((label) => label === labels.length).length };
}

export function truthOf(metric: MetricName, row: PredictionRow, labels: readonly string[]): number {
  const label = row.label ?? row.references[0];
  const index = label === undefined ? -1 : labels.indexOf(label);
  if (index >= 0) return index;
  throw badRow(
    metric,
    row,
    `a true label among ${labels.join(', ')}`,
    label === undefined ? 'none' : `"${label}"`,
  );
}

/** Answer → number of its label, or `labels.length`. */
function labelReader({ labels, label_match }: LabelOptions): (answer: string) => number {
  const fold = (text: string): string => (label_match === 'exact' ? text : text.toLowerCase());
  const folded = labels.map((label) => fold(label.trim()));
  if (label_match !== 'mention') {
    return (answer) => {
      const index = folded.indexOf(fold(answer.trim()));
      return index < 0 ? labels.length : index;
    };
  }
  // Longer labels first, each mention used up, so that "not spam" is no mention of "spam".
  const order = folded.map((_, i) => i).sort((a, b) => folded[b].length - folded[a].length);
  const patterns = order.map((i) => mentionOf(folded[i]));
  return (answer) => {
    let rest = fold(answer);
    const found = order.filter((_, rank) => {
      const without = rest.replaceAll(patterns[rank], '\u0000');
      const mentioned = without !== rest;
      rest = without;
      return mentioned;
    });
    return found.length === 1 ? found[0] : labels.length;
  };
}

/** Whole words where the label begins or ends with a letter of a script that has spaces. */
function mentionOf(label: string): RegExp {
  const edge = '[\\p{L}\\p{N}_]';
  const spaced = (character: string): boolean =>
    /[\p{L}\p{N}_]/u.test(character) && !/\p{Script=Han}/u.test(character);
  const characters = [...label];
  const before = spaced(characters[0]) ? `(?<!(?!\\p{Script=Han})${edge})` : '';
  const after = spaced(characters.at(-1)!) ? `(?!(?!\\p{Script=Han})${edge})` : '';
  return new RegExp(`${before}${label.replace(/[\\^$.*+?()[\]{}|\-/]/g, '\\$&')}${after}`, 'gu');
}
