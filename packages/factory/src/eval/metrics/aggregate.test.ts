import { describe, expect, it } from 'vitest';
import type { PredictionRow } from '#factory/records/scorecard.ts';
import { aggregate, DEFAULT_INTERVALS } from './aggregate.ts';
import { METRICS } from './registry.ts';

const options = { labels: ['yes', 'no'] };
const rowsOf = (correct: readonly number[], cluster?: (i: number) => string): PredictionRow[] =>
  correct.map((hit, i) => ({
    id: `r${i}`,
    prompt: '',
    prediction: hit ? 'yes' : 'no',
    references: ['yes'],
    ...(cluster ? { cluster: cluster(i) } : {}),
  }));
const settings = { ...DEFAULT_INTERVALS, resamples: 400 };
const accuracy = (rows: PredictionRow[], given = settings) =>
  aggregate(METRICS.accuracy, rows, options, {}, given)[0];

describe('aggregate', () => {
  it("gives a share of independent rows Wilson's interval", () => {
    const value = accuracy(rowsOf([1, 1, 1, 1, 1, 1, 1, 1, 0, 0]));
    expect(value).toMatchObject({ metric: 'accuracy', name: 'accuracy', value: 0.8, n: 10, invalid: 0 });
    expect(value.interval).toMatchObject({ method: 'wilson', level: 0.95 });
    expect(value.interval!.low).toBeCloseTo(0.490162, 6);
    expect(value.interval!.high).toBeCloseTo(0.943318, 6);
  });

  it('resamples clusters, which widens the interval when their rows agree', () => {
    const correct = Array.from({ length: 60 }, (_, i) => Math.floor(i / 10) % 2);
    const alone = accuracy(rowsOf(correct)).interval!;
    const grouped = accuracy(rowsOf(correct, (i) => `c${Math.floor(i / 10)}`)).interval!;
    expect(grouped.method).toBe('bootstrap-percentile');
    expect(grouped.high - grouped.low).toBeGreaterThan(2 * (alone.high - alone.low));
    const singles = accuracy(rowsOf(correct, (i) => `c${i}`)).interval!;
    expect(singles).toEqual(alone);
  });

  it('is reproducible, and another seed gives another interval', () => {
    const rows = rowsOf([1, 0, 1, 1, 0, 1, 0, 0, 1, 1, 1, 0]);
    const f1 = (seed: number) =>
      aggregate(METRICS.f1_macro, rows, options, {}, { ...settings, seed })[0].interval;
    expect(f1(1)).toEqual(f1(1));
    expect(f1(1)).not.toEqual(f1(2));
    const bca = aggregate(METRICS.f1_macro, rows, options, {}, { ...settings, method: 'bca' })[0];
    expect(bca.interval?.method).toBe('bootstrap-bca');
  });

  it('gives no number where it cannot give an interval, and says why', () => {
    expect(aggregate(METRICS.f1_macro, rowsOf([1]), options, {}, settings)[0]).toMatchObject({
      value: null,
      interval: null,
      reason: expect.stringContaining('one unit'),
    });
    expect(aggregate(METRICS.cohen_kappa, rowsOf([1, 1, 1]), options, {}, settings)[0]).toMatchObject({
      value: null,
      reason: 'truths and answers are all of one class',
    });
    expect(accuracy(rowsOf([1, 0], () => 'same')).value).toBeNull();
  });
});
