// In: all rows. Out: where answers are labels (few short ones, as in classification): how even their distribution is, and
// rows whose label is rare. Other data gets no scores. Nothing is dropped: a rare label may be the one that matters.
import type { SetStep } from '../clean-step.ts';

const MAX_LABEL_CHARS = 40;
/** Answers are labels where there are at most this many, and ten rows for each on average. */
const MAX_LABELS = 500;
const ROWS_PER_LABEL = 10;
const PAUSE_ROWS = 8192;

export const labelsStep: SetStep = {
  kind: 'set',
  name: 'labels',
  version: 1,
  title: { en: 'Balance of labels', zh: '标签均衡' },
  options: {
    min_rows: {
      type: 'integer',
      default: 5,
      role: 'decide',
      optional: true,
      min: 1,
      text: { en: 'fewest rows of a label', zh: '每个标签的最少行数' },
    },
    min_entropy: {
      type: 'number',
      default: 0.3,
      role: 'decide',
      optional: true,
      min: 0,
      max: 1,
      text: {
        en: 'least evenness of labels: entropy by the most that it could be',
        zh: '标签分布均匀度下限：熵与其最大值之比',
      },
    },
  },
  scores: {
    label_rows: { en: 'rows with the same label', zh: '同标签行数' },
    entropy: { en: 'evenness of all labels (0 to 1)', zh: '全部标签的均匀度（0 到 1）' },
  },
  reasons: {
    rare_label: {
      verdict: 'keep',
      boundary: { score: 'label_rows', option: 'min_rows' },
      text: { en: 'few rows have this label', zh: '该标签的行数很少' },
    },
    uneven_labels: {
      verdict: 'keep',
      boundary: { score: 'entropy', option: 'min_entropy' },
      text: {
        en: 'nearly all rows have the same few labels, such as this',
        zh: '几乎所有行都是少数几个标签',
      },
    },
  },
  async run(rows, _options, { progress }) {
    const labels: (string | null)[] = [];
    for (let index = 0; index < rows.count; index++) {
      if (index % PAUSE_ROWS === 0) await progress(index, rows.count);
      const { kind, response } = rows.row(index);
      const answer = kind === 'sft' ? (response[0]?.content.trim() ?? '') : '';
      labels.push(answer !== '' && answer.length <= MAX_LABEL_CHARS ? answer : null);
    }
    const counts = countLabels(labels);
    const none = new Float64Array(rows.count).fill(Number.NaN);
    const pairs = { a: new Uint32Array(), b: new Uint32Array(), value: new Float64Array() };
    if (counts === null) return { scores: { label_rows: none, entropy: none }, pairs };
    const evenness = normalisedEntropy([...counts.values()]);
    return {
      scores: {
        label_rows: Float64Array.from(labels, (label) => (label === null ? Number.NaN : counts.get(label)!)),
        entropy: Float64Array.from(labels, (label) => (label === null ? Number.NaN : evenness)),
      },
      pairs,
    };
  },
  *decide({ scores }, { min_rows, min_entropy }, alive) {
    const { label_rows: labelRows, entropy } = scores as { label_rows: Float64Array; entropy: Float64Array };
    let most = 0;
    for (const count of labelRows) if (count > most) most = count;
    for (let row = 0; row < alive.length; row++) {
      if (alive[row] !== 1) continue;
      const [count, evenness] = [labelRows[row]!, entropy[row]!];
      if (min_rows !== null && count < (min_rows as number))
        yield { row, reason: 'rare_label', score: count, threshold: min_rows as number, survivor: null };
      else if (min_entropy !== null && evenness < (min_entropy as number) && count === most)
        yield {
          row,
          reason: 'uneven_labels',
          score: evenness,
          threshold: min_entropy as number,
          survivor: null,
        };
    }
  },
};

/** Null where answers are no labels. */
function countLabels(labels: readonly (string | null)[]): Map<string, number> | null {
  const counts = new Map<string, number>();
  let labelled = 0;
  for (const label of labels) {
    if (label === null) continue;
    labelled++;
    counts.set(label, (counts.get(label) ?? 0) + 1);
    if (counts.size > MAX_LABELS) return null;
  }
  const isMost = labelled >= labels.length * 0.9;
  return isMost && counts.size > 1 && labelled >= counts.size * ROWS_PER_LABEL ? counts : null;
}

/** 1 for equal shares, near 0 where one label has all. */
function normalisedEntropy(counts: readonly number[]): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const bits = counts.reduce((sum, count) => sum - (count / total) * Math.log2(count / total), 0);
  return bits / Math.log2(counts.length);
}
