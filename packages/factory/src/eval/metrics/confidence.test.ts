import { describe, expect, it } from 'vitest';
import type { MetricName } from '#factory/records/metric-names.ts';
import type { PredictionRow } from '#factory/records/scorecard.ts';
import fixture from '../fixtures/classification.json' with { type: 'json' };
import { aggregate } from './aggregate.ts';
import { METRICS } from './registry.ts';
import { riskCoverageCurve } from './risk-coverage.ts';
import { thresholdAtPrecision } from './threshold.ts';

const { calibration } = fixture;
const labels = ['0', '1', '2'];
const options = { labels: ['yes', 'no'] };

/** Answers that are right or wrong, with these confidences. */
const sure = (confidences: readonly number[], correct: readonly number[]): PredictionRow[] =>
  confidences.map((confidence, i) => ({
    id: `r${i}`,
    prompt: '',
    prediction: correct[i] ? 'yes' : 'no',
    references: ['yes'],
    confidence,
  }));

const scoredRows: PredictionRow[] = calibration.scores.map((scores, i) => ({
  id: `r${i}`,
  prompt: '',
  prediction: labels[scores.indexOf(Math.max(...scores))],
  references: [`${calibration.truth[i]}`],
  // A constant does not matter: probabilities are shares among the labels.
  labelLogprobs: Object.fromEntries(scores.map((p, label) => [labels[label], Math.log(p) - 3])),
}));

const binaryRows: PredictionRow[] = calibration.binary.map((p, i) => ({
  id: `r${i}`,
  prompt: '',
  prediction: p > 0.5 ? 'yes' : 'no',
  references: [calibration.positive[i] ? 'yes' : 'no'],
  labelLogprobs: { yes: Math.log(p), no: Math.log1p(-p) },
}));

const one = (name: MetricName, rows: PredictionRow[], given: object) =>
  aggregate(METRICS[name], rows, given, {})[0];

describe('calibration', () => {
  it('has the published ECE, whose bins are closed below', () => {
    const rows = sure([0.9, 0.8, 0.6, 0.55], [1, 1, 0, 1]);
    const value = one('ece@equal-width', rows, options);
    expect(value.value).toBeCloseTo(0.3375, 12);
    expect(value.name).toBe('ece@equal-width@10');
  });

  it('groups rows of equal number', () => {
    // Bins {0.1, 0.2, 0.6} with 1 right and {0.7, 0.9} with 1 right: (|0.9 − 1| + |1.6 − 1|) / 5.
    const rows = sure([0.9, 0.1, 0.6, 0.7, 0.2], [1, 0, 1, 0, 0]);
    expect(one('ece@equal-mass', rows, { ...options, bins: 2 }).value).toBeCloseTo(0.14, 12);
    expect(one('ece@equal-mass', rows, { ...options, bins: 50 }).value).toBeCloseTo(
      (0.1 + 0.1 + 0.4 + 0.7 + 0.2) / 5,
      12,
    );
  });

  it('has the Brier scores and the log loss of scikit-learn', () => {
    expect(one('brier@multiclass', scoredRows, { labels }).value).toBeCloseTo(calibration.brier, 12);
    expect(one('log_loss', scoredRows, { labels }).value).toBeCloseTo(calibration.log_loss, 12);
    const value = one('brier@binary', binaryRows, { ...options, positive: 'yes' });
    expect(value.value).toBeCloseTo(calibration.binary_brier, 12);
    expect(value.name).toBe('brier@binary[yes]');
  });

  it('takes the confidence of the likeliest label where none is given', () => {
    const expected = scoredRows.map((row, i) => ({ ...row, confidence: Math.max(...calibration.scores[i]) }));
    expect(one('ece@equal-width', scoredRows, { labels }).value).toBeCloseTo(
      one('ece@equal-width', expected, { labels }).value!,
      10,
    );
  });

  it('knows nothing of a row that failed, and loses no other row by it', () => {
    const failed: PredictionRow = {
      id: 'f',
      prompt: '',
      prediction: '',
      references: ['yes'],
      failure: 'timeout',
    };
    expect(one('brier@multiclass', [failed, failed], options).value).toBe(0.5);
    expect(one('log_loss', [failed, failed], options).value).toBeCloseTo(Math.LN2, 12);
    const given = { ...options, positive: 'yes', precision: 0.1 };
    expect(one('recall_at_precision', [failed, failed], given).value).toBe(0);
    expect(one('recall_at_precision', [...binaryRows, failed], given)).toMatchObject({ invalid: 1, n: 41 });
  });

  it('names the row without probabilities', () => {
    const rows = [{ ...scoredRows[0], id: 'x7', labelLogprobs: { 0: -1 } }];
    expect(() => one('log_loss', rows, { labels })).toThrow(/labelLogprobs of 1 in row x7, found none/);
    expect(() => one('aurc', sure([1.2], [1]), options)).toThrow(/from 0 to 1 in row r0/);
    expect(() => one('brier@binary', scoredRows, { labels, positive: 'q' })).toThrow(/none of the labels/);
  });
});

describe('abstaining', () => {
  const rows = sure([0.9, 0.8, 0.7, 0.6], [1, 0, 1, 1]);

  it('gives the curve, the area, and its points', () => {
    expect(riskCoverageCurve([0.5, 0.9, 0.5], [1, 1, 0], [0, 1, 2])).toEqual([
      { threshold: 0.9, answered: 1, wrong: 0 },
      { threshold: 0.5, answered: 3, wrong: 1 },
    ]);
    expect(one('aurc', rows, options).value).toBeCloseTo((0 + 1 / 2 + 1 / 3 + 1 / 4) / 4, 12);
    expect(one('accuracy_at_coverage', rows, { ...options, coverage: 0.5 }).value).toBe(0.5);
    expect(one('accuracy_at_coverage', rows, { ...options, coverage: 0.25 }).value).toBe(1);
    expect(one('coverage_at_accuracy', rows, { ...options, accuracy: 0.75 }).value).toBe(1);
    expect(one('coverage_at_accuracy', rows, { ...options, accuracy: 0.9 }).value).toBe(0.25);
    expect(one('coverage_at_accuracy', sure([0.9, 0.1], [0, 0]), { ...options, accuracy: 0.5 }).value).toBe(
      0,
    );
  });

  it('does not depend on the order of equal confidences', () => {
    const tied = sure([0.5, 0.5, 0.5, 0.9], [1, 0, 0, 1]);
    const turned = [tied[2], tied[1], tied[0], tied[3]];
    expect(one('aurc', tied, options).value).toBeCloseTo(one('aurc', turned, options).value!, 14);
    // Expected errors among the k surest: 0, 2/3, 4/3, 2.
    expect(one('aurc', tied, options).value).toBeCloseTo((0 + 1 / 3 + 4 / 9 + 1 / 2) / 4, 12);
  });
});

describe('threshold at a precision', () => {
  it('is the best point of scikit-learn, for every precision that the curve reaches', () => {
    const { binary, precision, recall, thresholds } = calibration;
    const positive = calibration.positive.map((p) => p === 1);
    const all = binary.map((_, i) => i);
    for (const target of [0.3, 0.5, 0.6, 0.7, 0.9, 1]) {
      const reached = thresholds.map((_, i) => i).filter((i) => precision[i] >= target && recall[i] > 0);
      const best = Math.max(0, ...reached.map((i) => recall[i]));
      const found = thresholdAtPrecision(binary, positive, all, target);
      expect(found?.recall ?? 0).toBeCloseTo(best, 12);
      if (found) {
        const at = thresholds.indexOf(found.threshold);
        expect(precision[at]).toBeCloseTo(found.precision, 12);
      }
      const metric = one('recall_at_precision', binaryRows, {
        ...options,
        positive: 'yes',
        precision: target,
      });
      expect(metric.value).toBeCloseTo(best, 12);
    }
  });
});
