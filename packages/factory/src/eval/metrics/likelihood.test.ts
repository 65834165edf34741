import { describe, expect, it } from 'vitest';
import type { PredictionRow } from '#factory/records/scorecard.ts';
import { aggregate } from './aggregate.ts';
import { passAtK } from './likelihood.ts';
import { METRICS } from './registry.ts';

const base = { id: 'r0', prompt: '', prediction: '', references: [] };

describe('pass@k', () => {
  it.each([
    [10, 3, 1, 0.3],
    [10, 3, 5, 0.9166666666666667],
    [10, 3, 10, 1],
    [20, 1, 10, 0.5],
    [4, 2, 3, 1],
    [200, 40, 100, 0.9999999999999933],
    [5, 0, 1, 0],
  ])('of %i answers, %i passed, k = %i', (made, passed, k, expected) => {
    expect(passAtK(made, passed, k)).toBeCloseTo(expected, 14);
  });

  it('is a mean over rows, named by k, and refuses rows with fewer answers', () => {
    const rows: PredictionRow[] = [
      { ...base, attempts: { made: 10, passed: 3 } },
      { ...base, id: 'r1', attempts: { made: 4, passed: 0 } },
    ];
    expect(aggregate(METRICS['pass@k'], rows, { k: 1 }, {})[0]).toMatchObject({
      name: 'pass@1',
      value: expect.closeTo(0.15, 12),
    });
    expect(() => aggregate(METRICS['pass@k'], rows, { k: 5 }, {})).toThrow(
      /at least 5 attempts in row r1, found 4/,
    );
    expect(() => aggregate(METRICS['pass@k'], rows, {}, {})).toThrow(/k/);
  });
});

describe('perplexity', () => {
  const rows: PredictionRow[] = [
    { ...base, references: ['two words'], logprobs: [-1, -2, -3] },
    { ...base, id: 'r1', references: ['词'], logprobs: [-0.5] },
  ];
  const value = (name: 'perplexity@token' | 'perplexity@word' | 'perplexity@byte' | 'bits_per_byte') =>
    aggregate(METRICS[name], rows, {}, {})[0];

  it('is of the whole corpus, in the named unit', () => {
    expect(value('perplexity@token').value).toBeCloseTo(Math.exp(6.5 / 4), 12);
    expect(value('perplexity@word').value).toBeCloseTo(Math.exp(6.5 / 3), 12);
    expect(value('perplexity@byte').value).toBeCloseTo(Math.exp(6.5 / 12), 12);
    expect(value('bits_per_byte').value).toBeCloseTo(6.5 / (12 * Math.LN2), 12);
    expect(value('perplexity@token').interval!.method).toBe('bootstrap-percentile');
  });

  it('leaves rows that failed out, and counts them', () => {
    const failed: PredictionRow = { ...base, id: 'r2', failure: 'out of memory' };
    const [found] = aggregate(METRICS['perplexity@token'], [...rows, failed], {}, {});
    expect(found).toMatchObject({ value: expect.closeTo(Math.exp(6.5 / 4), 12), invalid: 1 });
    const attempts = { made: 2, passed: 2 };
    const [passed] = aggregate(METRICS['pass@k'], [{ ...base, attempts }, failed], { k: 2 }, {});
    expect(passed).toMatchObject({ value: 0.5, invalid: 1 });
  });

  it('has no value for an impossible token, and names rows that are wrong', () => {
    const impossible = [{ ...rows[0], logprobs: [Number.NEGATIVE_INFINITY] }, rows[1]];
    expect(aggregate(METRICS['perplexity@token'], impossible, {}, {})[0]).toMatchObject({
      value: null,
      reason: expect.stringContaining('probability 0'),
    });
    const broken = [{ ...rows[0], logprobs: [0.1] }];
    expect(() => aggregate(METRICS['perplexity@token'], broken, {}, {})).toThrow(
      /at most 0 in row r0, found 0.1/,
    );
    expect(() => aggregate(METRICS['perplexity@token'], [base], {}, {})).toThrow(/logprobs of its tokens/);
  });
});

describe('latency', () => {
  const timed = (first: number, last: number, outputTokens: number): PredictionRow => ({
    ...base,
    timings: { firstTokenMs: first, lastTokenMs: last, outputTokens },
  });
  const rows = Array.from({ length: 100 }, (_, i) => timed(i + 1, 2 * (i + 1), 11));

  it('interpolates percentiles and leaves failed rows out', () => {
    const failed = { ...base, failure: 'timeout' };
    const of = (name: 'first_token_ms@p50' | 'first_token_ms@p95' | 'last_token_ms@p99') =>
      aggregate(METRICS[name], [...rows, failed], {}, {})[0];
    expect(of('first_token_ms@p50')).toMatchObject({ value: 50.5, invalid: 1 });
    expect(of('first_token_ms@p95').value).toBeCloseTo(95.05, 10);
    expect(of('last_token_ms@p99').value).toBeCloseTo(198.02, 10);
    const { interval } = of('first_token_ms@p95');
    expect(interval!.low).toBeLessThan(95.05);
    expect(interval!.high).toBeGreaterThan(95.05);
  });

  it('counts the tokens after the first one', () => {
    const [value] = aggregate(METRICS.tokens_per_second, [timed(100, 600, 6), timed(50, 550, 16)], {}, {});
    expect(value.value).toBe(20);
    expect(() => aggregate(METRICS.tokens_per_second, [timed(9, 3, 2)], {}, {})).toThrow(/firstTokenMs/);
  });
});
