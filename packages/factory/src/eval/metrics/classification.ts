// In: rows with a true class and an answer. Out: the definitions of the metrics of predicted classes.
// Confidence is confidence.ts's; the arithmetic is confusion.ts's.
import { z } from 'zod';
import type { MetricName } from '#factory/records/metric-names.ts';
import {
  type Average,
  averageOf,
  balancedAccuracyOf,
  type Figure,
  figureOf,
  kappaOf,
  mccOf,
  type Tally,
  tallyOf,
} from './confusion.ts';
import {
  badOption,
  defineMetric,
  type MetricDefinition,
  meanOfItems,
  type PreparedMetric,
  shareOfItems,
} from './definition.ts';
import { type Classified, classify, INVALID_LABEL, labelOptions } from './labels.ts';

const SKLEARN = 'scikit-learn 1.9';

const labelled = z.strictObject(labelOptions);
const divided = z.strictObject({
  ...labelOptions,
  /** Value of a figure that has nothing to divide by; `nan` leaves the class out of the average. */
  zero_division: z
    .union([z.literal(0), z.literal(1), z.literal('nan')])
    .default(0)
    .transform((value): number => (value === 'nan' ? Number.NaN : value)),
});

const accuracy = defineMetric({
  name: 'accuracy',
  direction: 'higher',
  range: [0, 1],
  summary: 'Share of rows whose answer is the true label.',
  source: `${SKLEARN}, accuracy_score. An answer off the label set is wrong.`,
  options: labelled,
  prepare(rows, options) {
    const classes = classify('accuracy', rows, options);
    return { ...shareOfItems(hits(classes)), invalid: classes.invalid };
  },
});

const validityRate = defineMetric({
  name: 'validity_rate',
  direction: 'higher',
  range: [0, 1],
  summary: 'Share of rows whose answer is one of the declared labels, right or wrong.',
  source: 'Own definition.',
  options: labelled,
  prepare(rows, options) {
    const { predicted, labels, invalid } = classify('validity_rate', rows, options);
    return { ...shareOfItems(Array.from(predicted, (label) => Number(label < labels.length))), invalid };
  },
});

/** Metrics that are one number of the confusion counts. */
const fromCounts = (
  name: MetricName,
  range: readonly [number, number],
  summary: string,
  source: string,
  value: (tally: Tally) => number,
  undefinedWhen?: string,
): MetricDefinition =>
  defineMetric({
    name,
    direction: 'higher',
    range,
    summary,
    source: `${SKLEARN}, ${source}`,
    options: labelled,
    prepare(rows, options) {
      const classes = classify(name, rows, options);
      return { value: (some) => value(tallyOf(classes, some)), invalid: classes.invalid, undefinedWhen };
    },
  });

const averaged = (figure: Figure, average: Average): MetricDefinition => {
  const name = `${figure}_${average}` as const;
  return defineMetric({
    name,
    direction: 'higher',
    range: [0, 1],
    summary: `${TITLE[figure]} over the declared labels, ${MEANING[average]}.`,
    source: `${SKLEARN}, precision_recall_fscore_support(labels=declared). Answers off the set lower recall and are no class of their own.`,
    options: divided,
    prepare(rows, options) {
      const classes = classify(name, rows, options);
      return {
        value: (some) =>
          averageOf(figure, average, tallyOf(classes, some), classes.labels.length, options.zero_division),
        invalid: classes.invalid,
        undefinedWhen: 'no declared label has a defined figure',
      };
    },
  });
};

const TITLE: Record<Figure, string> = { precision: 'Precision', recall: 'Recall', f1: 'F1' };
const MEANING: Record<Average, string> = {
  macro: 'each label counting the same',
  weighted: 'each label weighted by its rows',
  micro: 'from the summed counts; equal to accuracy when no answer is off the set',
};

const f1WithInvalid = defineMetric({
  name: 'f1_macro@invalid-as-class',
  direction: 'higher',
  range: [0, 1],
  summary: 'Macro F1 where answers off the label set are one more class, with F1 0.',
  source: `${SKLEARN}, f1_score(average="macro") without labels, all such answers being one label. Labels that occur nowhere are left out.`,
  options: divided,
  prepare(rows, options) {
    const classes = classify('f1_macro@invalid-as-class', rows, options);
    return {
      value(some) {
        const tally = tallyOf(classes, some);
        let [total, seen] = [0, 0];
        for (let label = 0; label < tally.size; label++) {
          if (tally.support[label] + tally.called[label] === 0) continue;
          total += figureOf('f1', tally, label, options.zero_division);
          seen++;
        }
        return total / seen;
      },
      invalid: classes.invalid,
    };
  },
});

const perClass = (figure: Figure): MetricDefinition => {
  const name = `${figure}_per_class` as const;
  return defineMetric({
    name,
    direction: 'higher',
    range: [0, 1],
    summary: `${TITLE[figure]} of each declared label.`,
    source: `${SKLEARN}, precision_recall_fscore_support(average=None).`,
    options: divided,
    prepare(rows, options) {
      const classes = classify(name, rows, options);
      const whole = tallyOf(
        classes,
        rows.map((_, i) => i),
      );
      const compute = (some: ArrayLike<number>): number[] => {
        const tally = tallyOf(classes, some);
        return classes.labels.map((_, label) => figureOf(figure, tally, label, options.zero_division));
      };
      return classes.labels.map((part, index): PreparedMetric => {
        const trials = figure === 'precision' ? whole.called[index] : whole.support[index];
        return {
          part,
          value: (some) => compute(some)[index],
          shared: { compute, index },
          ...(figure !== 'f1' && trials > 0 ? { proportion: { hits: whole.hits[index], trials } } : {}),
          invalid: classes.invalid,
          undefinedWhen: `no row has or gets the label ${part}`,
        };
      });
    },
  });
};

const expectedCost = defineMetric({
  name: 'expected_cost',
  direction: 'lower',
  range: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
  summary: 'Mean cost per decision: `costs[true label][answer]`, negative where a decision earns.',
  source: `Elkan, The foundations of cost-sensitive learning (2001). Answers off the set cost \`costs[true label].${INVALID_LABEL}\`, which must be stated.`,
  options: z.strictObject({ ...labelOptions, costs: z.record(z.string(), z.record(z.string(), z.number())) }),
  prepare(rows, options) {
    const classes = classify('expected_cost', rows, options);
    const columns = [...classes.labels, INVALID_LABEL];
    const costs = classes.labels.map((truth) =>
      columns.map((answer) => {
        const cost = options.costs[truth]?.[answer];
        if (cost === undefined) throw badOption('expected_cost', `costs.${truth}.${answer} is missing`);
        return cost;
      }),
    );
    const perItem = rows.map((_, i) => costs[classes.truth[i]][classes.predicted[i]]);
    return { ...meanOfItems(perItem), invalid: classes.invalid };
  },
});

function hits({ truth, predicted }: Classified): number[] {
  return Array.from(truth, (label, i) => Number(label === predicted[i]));
}

export const CLASSIFICATION_METRICS = {
  accuracy,
  validity_rate: validityRate,
  balanced_accuracy: fromCounts(
    'balanced_accuracy',
    [0, 1],
    'Mean recall over the labels that have rows.',
    'balanced_accuracy_score.',
    balancedAccuracyOf,
  ),
  precision_macro: averaged('precision', 'macro'),
  precision_weighted: averaged('precision', 'weighted'),
  precision_micro: averaged('precision', 'micro'),
  precision_per_class: perClass('precision'),
  recall_macro: averaged('recall', 'macro'),
  recall_weighted: averaged('recall', 'weighted'),
  recall_micro: averaged('recall', 'micro'),
  recall_per_class: perClass('recall'),
  f1_macro: averaged('f1', 'macro'),
  'f1_macro@invalid-as-class': f1WithInvalid,
  f1_weighted: averaged('f1', 'weighted'),
  f1_micro: averaged('f1', 'micro'),
  f1_per_class: perClass('f1'),
  mcc: fromCounts(
    'mcc',
    [-1, 1],
    'Matthews correlation of true and predicted classes, answers off the set being one class.',
    'matthews_corrcoef. 0 when all truths or all answers are of one class.',
    mccOf,
  ),
  cohen_kappa: fromCounts(
    'cohen_kappa',
    [-1, 1],
    'Agreement beyond chance, answers off the set being one class.',
    'cohen_kappa_score. Not defined when truths and answers are all of one class.',
    kappaOf,
    'truths and answers are all of one class',
  ),
  expected_cost: expectedCost,
} as const satisfies Partial<Record<MetricName, MetricDefinition>>;
