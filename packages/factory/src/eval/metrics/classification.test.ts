import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MetricName } from '#factory/records/metric-names.ts';
import type { MetricValue, PredictionRow } from '#factory/records/scorecard.ts';
import { classificationReport } from '../classification-report.ts';
import fixture from '../fixtures/classification.json' with { type: 'json' };
import { aggregate } from './aggregate.ts';
import { METRICS } from './registry.ts';

const rowsOf = (truth: readonly string[], predicted: readonly string[]): PredictionRow[] =>
  truth.map((label, i) => ({ id: `r${i}`, prompt: '', prediction: predicted[i], references: [], label }));

/** The value alone; intervals have tests of their own. */
function valuesOf(name: MetricName, rows: PredictionRow[], options: object): (number | null)[] {
  const all = rows.map((_, i) => i);
  return METRICS[name].prepare(rows, options, {}).map(({ value }) => {
    const number = value(all);
    return Number.isNaN(number) ? null : number;
  });
}

function expectValues(found: readonly (number | null)[], expected: readonly (number | null)[]): void {
  expect(found).toEqual(expected.map((value) => (value === null ? null : expect.closeTo(value, 12))));
}

describe('metrics of predicted classes', () => {
  it.each(fixture.cases.map((c, i) => [i, c] as const))('equal scikit-learn, case %i', (_, expected) => {
    const rows = rowsOf(expected.t, expected.p);
    const { labels } = expected;
    const simple: [MetricName, number | null][] = [
      ['accuracy', expected.accuracy],
      ['balanced_accuracy', expected.balanced_accuracy],
      ['mcc', expected.mcc],
      ['cohen_kappa', expected.kappa],
    ];
    for (const [name, value] of simple) expectValues(valuesOf(name, rows, { labels }), [value]);
    const figures = ['precision', 'recall', 'f1'] as const;
    for (const zero_division of [0, 1, 'nan'] as const) {
      const options = { labels, zero_division };
      figures.forEach((figure, i) => {
        for (const average of ['macro', 'weighted', 'micro'] as const) {
          expectValues(valuesOf(`${figure}_${average}`, rows, options), [
            expected[`${average}|${zero_division}`][i],
          ]);
        }
        expectValues(valuesOf(`${figure}_per_class`, rows, options), expected[`each|${zero_division}`][i]);
      });
      expectValues(valuesOf('f1_macro@invalid-as-class', rows, options), [
        expected[`union|${zero_division}`][2],
      ]);
    }
    const report = classificationReport(rows, { labels, label_match: 'exact' });
    expect(report.confusion).toEqual(expected.confusion.slice(0, labels.length));
  });

  it('give the published values', () => {
    const digits = ['0', '1', '2'];
    const first = rowsOf([...'012012'], [...'021001']);
    const check = (rows: PredictionRow[], options: object, values: Partial<Record<MetricName, number>>) => {
      for (const [name, value] of Object.entries(values)) {
        expect(valuesOf(name as MetricName, rows, options)[0], name).toBeCloseTo(value, 14);
      }
    };
    check(
      first,
      { labels: digits },
      {
        accuracy: 1 / 3,
        f1_macro: 0.26666666666666666,
        f1_micro: 1 / 3,
        f1_weighted: 0.26666666666666666,
        precision_macro: 0.2222222222222222,
        recall_macro: 1 / 3,
        cohen_kappa: 0,
        mcc: 0,
      },
    );
    check(first, { labels: [...digits, '3'] }, { f1_macro: 0.2 });
    check(first, { labels: [...digits, '3'], zero_division: 1 }, { f1_macro: 0.45 });
    const birds = rowsOf(['cat', 'dog', 'cat', 'dog'], ['cat', 'bird', 'cat', 'dog']);
    check(
      birds,
      { labels: ['cat', 'dog'] },
      {
        accuracy: 0.75,
        f1_macro: 0.8333333333333333,
        'f1_macro@invalid-as-class': 0.5555555555555555,
        f1_weighted: 0.8333333333333333,
        f1_micro: 0.8571428571428571,
        cohen_kappa: 0.6,
        mcc: 0.6708203932499369,
        validity_rate: 0.75,
      },
    );
    // As a declared label, "bird" has no row: its recall is zero_division.
    check(birds, { labels: ['bird', 'cat', 'dog'] }, { recall_macro: 0.5 });
    check(birds, { labels: ['bird', 'cat', 'dog'], zero_division: 1 }, { recall_macro: 0.8333333333333334 });
    const never = rowsOf(['a', 'a', 'b', 'c'], ['a', 'a', 'b', 'b']);
    check(
      never,
      { labels: ['a', 'b', 'c'] },
      {
        accuracy: 0.75,
        f1_macro: 0.5555555555555555,
        f1_weighted: 0.6666666666666666,
        precision_macro: 0.5,
        balanced_accuracy: 0.6666666666666666,
      },
    );
    check(never, { labels: ['a', 'b', 'c'], zero_division: 1 }, { precision_macro: 0.8333333333333334 });
    check(
      rowsOf([...'0011'], [...'1100']),
      { labels: ['0', '1'] },
      { accuracy: 0, f1_macro: 0, cohen_kappa: -1, mcc: -1 },
    );
    check(rowsOf([...'111'], [...'111']), { labels: ['1'] }, { accuracy: 1, f1_macro: 1, mcc: 0 });
    expect(valuesOf('cohen_kappa', rowsOf([...'111'], [...'111']), { labels: ['1'] })).toEqual([null]);
    const none = rowsOf([...'000'], [...'000']);
    expectValues(valuesOf('f1_per_class', none, { labels: ['0', '1'] }), [1, 0]);
    expectValues(valuesOf('f1_per_class', none, { labels: ['0', '1'], zero_division: 1 }), [1, 1]);
    const moods = 'neg neu pos pos neg neu neu pos neg neg'.split(' ');
    const answers = 'neg neu pos neg neg pos neu pos neu neg'.split(' ');
    const labels = ['neg', 'neu', 'pos'];
    check(
      rowsOf(moods, answers),
      { labels },
      { accuracy: 0.7, f1_macro: 0.6944444444444443, cohen_kappa: 0.5454545454545454 },
    );
    expectValues(
      valuesOf('f1_per_class', rowsOf(moods, answers), { labels }),
      [0.75, 0.6666666666666666, 0.6666666666666666],
    );
    const report = classificationReport(rowsOf(moods, answers), { labels, label_match: 'exact' });
    expect(report.confusion.map((row) => row.slice(0, 3))).toEqual([
      [3, 1, 0],
      [0, 2, 1],
      [1, 0, 2],
    ]);
    // Cohen's own table [[20, 5], [10, 15]].
    const [yes, no] = [
      [...Array(25).fill('y'), ...Array(25).fill('n')],
      [...Array(20).fill('y'), ...Array(5).fill('n'), ...Array(10).fill('y'), ...Array(15).fill('n')],
    ];
    check(rowsOf(yes, no), { labels: ['y', 'n'] }, { cohen_kappa: 0.4 });
  });

  it('add up to accuracy: micro figures equal it when no answer is off the set', () => {
    const letters = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(letters, letters, (a, b) => {
        const n = Math.min(a.length, b.length);
        const rows = rowsOf(a.slice(0, n), b.slice(0, n));
        const options = { labels: ['a', 'b', 'c'] };
        const accuracy = valuesOf('accuracy', rows, options)[0]!;
        expect(valuesOf('f1_micro', rows, options)[0]).toBeCloseTo(accuracy, 12);
        expect(valuesOf('recall_weighted', rows, options)[0]).toBeCloseTo(accuracy, 12);
      }),
      { numRuns: 50 },
    );
  });
});

describe('reading an answer', () => {
  const invalidOf = (prediction: string, label_match: string, labels = ['spam', 'not spam']): number | null =>
    valuesOf('validity_rate', rowsOf([labels[0]], [prediction]), { labels, label_match })[0];
  const right = (prediction: string, label_match: string, labels = ['spam', 'not spam']): number | null =>
    valuesOf('accuracy', rowsOf([labels[0]], [prediction]), { labels, label_match })[0];

  it('takes exact labels, after trimming', () => {
    expect(right(' spam\n', 'exact')).toBe(1);
    expect(invalidOf('Spam', 'exact')).toBe(0);
    expect(right('SPAM', 'ignore-case')).toBe(1);
    expect(invalidOf('spam.', 'ignore-case')).toBe(0);
  });

  it('finds the one label that is mentioned', () => {
    expect(right('I think this is Spam.', 'mention')).toBe(1);
    expect(right('It is not spam.', 'mention')).toBe(0);
    expect(invalidOf('It is not spam.', 'mention')).toBe(1);
    expect(invalidOf('spam or not spam', 'mention')).toBe(0);
    expect(invalidOf('spammer', 'mention')).toBe(0);
    expect(right('我认为是正面的', 'mention', ['正面', '负面'])).toBe(1);
    expect(right('答案是yes。', 'mention', ['yes', 'no'])).toBe(1);
    expect(invalidOf('正面还是负面？', 'mention', ['正面', '负面'])).toBe(0);
    expect(right('a+b (x)', 'mention', ['a+b', 'x.'])).toBe(1);
  });

  it('counts a row without an answer as invalid and wrong', () => {
    const rows = rowsOf(['a', 'b'], ['a', 'b']);
    rows[1] = { ...rows[1], prediction: 'b', failure: 'timeout' };
    const [value] = aggregate(METRICS.accuracy, rows, { labels: ['a', 'b'] }, {});
    expect(value).toMatchObject({ value: 0.5, invalid: 1, n: 2, perItem: [1, 0] });
  });

  it('refuses truths off the set, unknown options, and no rows', () => {
    const labels = ['a', 'b'];
    expect(() => valuesOf('accuracy', rowsOf(['c'], ['a']), { labels })).toThrow(/row r0, found "c"/);
    expect(() => valuesOf('accuracy', rowsOf(['a'], ['a']), {})).toThrow(/labels/);
    expect(() => valuesOf('accuracy', rowsOf(['a'], ['a']), { labels: ['a', 'a'] })).toThrow(/differ/);
    expect(() => valuesOf('accuracy', rowsOf(['a'], ['a']), { labels, lable: 1 })).toThrow(/lable/);
    expect(() => valuesOf('accuracy', [], { labels })).toThrow(/at least one row/);
  });
});

describe('expected_cost', () => {
  const costs = { good: { good: -1, bad: 5, __invalid__: 2 }, bad: { good: 20, bad: 0, __invalid__: 2 } };

  it('is the mean cost of the decisions', () => {
    const rows = rowsOf(['good', 'good', 'bad', 'bad'], ['good', 'bad', 'good', '?']);
    const [value] = aggregate(METRICS.expected_cost, rows, { labels: ['good', 'bad'], costs }, {});
    expect(value).toMatchObject({ value: 6.5, perItem: [-1, 5, 20, 2], invalid: 1 });
    expect(value.interval).toMatchObject({ method: 'bootstrap-percentile' });
  });

  it('names the entry that is missing', () => {
    const rows = rowsOf(['good'], ['good']);
    expect(() =>
      valuesOf('expected_cost', rows, { labels: ['good', 'bad'], costs: { good: costs.good } }),
    ).toThrow(/costs.bad.good is missing/);
  });
});

describe('classificationReport', () => {
  const spread = (text: string): string[] => [...text].map((c) => (c === 's' ? 'spam' : 'ham'));
  const options = { labels: ['spam', 'ham'], label_match: 'exact' } as const;
  const report = (truth: string, predicted: string) =>
    classificationReport(rowsOf(spread(truth), spread(predicted)), options);
  const inside = ({ value, interval }: MetricValue): boolean =>
    interval !== null && interval.low <= value + 1e-12 && value <= interval.high + 1e-12;

  it('matches a table counted by hand', () => {
    // spam: 3 hits, 1 missed, 2 false; ham: 4 hits, 2 missed, 1 false.
    const result = report('sssshhhhhh', 'ssshsshhhh');
    expect(result.confusion).toEqual([
      [3, 1, 0],
      [2, 4, 0],
    ]);
    expect(result.accuracy.value).toBeCloseTo(0.7, 12);
    expect(result.perLabel[0]).toMatchObject({ label: 'spam', support: 4 });
    expect(result.perLabel[0].precision).toMatchObject({
      value: 3 / 5,
      interval: { method: 'wilson' },
      name: 'precision_per_class[spam]',
    });
    expect(result.perLabel[0].recall.value).toBe(3 / 4);
    expect(result.perLabel[0].f1.value).toBeCloseTo(6 / 9, 12);
    expect(result.macroF1.value).toBeCloseTo((6 / 9 + 8 / 11) / 2, 12);
  });

  it('gives F1 0 to a label that is never predicted: a constant answer has macro-F1 1/3 on balanced rows', () => {
    const result = report('sshh', 'ssss');
    expect(result.accuracy.value).toBe(0.5);
    expect(result.perLabel[1].f1.value).toBe(0);
    expect(result.macroF1.value).toBeCloseTo(1 / 3, 12);
  });

  it('keeps every figure inside its interval, and an interval has width even when all is right', () => {
    const { accuracy, macroF1, perLabel } = report('sshhshsh', 'sshhshsh');
    for (const value of [accuracy, macroF1, ...perLabel.flatMap((l) => [l.precision, l.recall, l.f1])]) {
      expect(inside(value)).toBe(true);
      expect(value.interval!.low).toBeLessThan(0.9);
    }
    expect(macroF1.interval!.method).toBe('no-variation');
  });
});
