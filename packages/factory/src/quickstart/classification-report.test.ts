import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { classificationReport, wilsonInterval } from './classification-report.ts';

const labels = ['spam', 'ham'];
const spread = (text: string): string[] => [...text].map((c) => (c === 's' ? 'spam' : 'ham'));

describe('classificationReport', () => {
  it('matches a table counted by hand', () => {
    // spam: 3 hits, 1 missed, 2 false; ham: 4 hits, 2 missed, 1 false.
    const report = classificationReport(spread('sssshhhhhh'), spread('ssshsshhhh'), labels);
    expect(report.confusion).toEqual([
      [3, 1],
      [2, 4],
    ]);
    expect(report.accuracy).toBeCloseTo(0.7, 12);
    expect(report.perLabel[0]).toMatchObject({ precision: 3 / 5, recall: 3 / 4, support: 4 });
    expect(report.perLabel[0]!.f1).toBeCloseTo(6 / 9, 12);
    expect(report.perLabel[1]!.f1).toBeCloseTo(8 / 11, 12);
    expect(report.macroF1).toBeCloseTo((6 / 9 + 8 / 11) / 2, 12);
  });

  it('gives F1 0 to a label that is never predicted: a constant answer has macro-F1 1/3 on balanced rows', () => {
    const report = classificationReport(spread('sshh'), spread('ssss'), labels);
    expect(report.accuracy).toBe(0.5);
    expect(report.perLabel[1]).toEqual({ label: 'ham', precision: 0, recall: 0, f1: 0, support: 2 });
    expect(report.macroF1).toBeCloseTo(1 / 3, 12);
  });

  it('refuses unequal lengths and foreign labels as bugs of the caller', () => {
    expect(() => classificationReport(['spam'], [], labels)).toThrow('internal');
    expect(() => classificationReport(['spam'], ['eggs'], labels)).toThrow('internal');
  });

  it('keeps both figures inside their intervals, and the intervals inside 0 to 1', () => {
    const letters = fc.array(fc.constantFrom('s', 'h'), { minLength: 5, maxLength: 60 });
    fc.assert(
      fc.property(letters, letters, (a, b) => {
        const n = Math.min(a.length, b.length);
        const truth = spread(a.slice(0, n).join(''));
        const report = classificationReport(truth, spread(b.slice(0, n).join('')), labels);
        const [low, high] = report.accuracyInterval;
        expect(low).toBeLessThanOrEqual(report.accuracy + 1e-12);
        expect(high).toBeGreaterThanOrEqual(report.accuracy - 1e-12);
        expect(report.macroF1Interval[0]).toBeGreaterThanOrEqual(0);
        expect(report.macroF1Interval[1]).toBeLessThanOrEqual(1);
        expect(report.macroF1Interval[0]).toBeLessThanOrEqual(report.macroF1Interval[1]);
      }),
      { numRuns: 30 },
    );
  });
});

describe('wilsonInterval', () => {
  it('has the published values', () => {
    // 81 of 263: Newcombe 1998, table I, method 3.
    const [low, high] = wilsonInterval(81, 263);
    expect(low).toBeCloseTo(0.2553, 4);
    expect(high).toBeCloseTo(0.3662, 4);
  });

  it('is one-sided at the ends', () => {
    expect(wilsonInterval(0, 20)[0]).toBe(0);
    expect(wilsonInterval(0, 20)[1]).toBeCloseTo(0.1611, 4);
    expect(wilsonInterval(29, 29)[1]).toBe(1);
  });
});
