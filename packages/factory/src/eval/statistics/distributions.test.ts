import { describe, expect, it } from 'vitest';
import vectors from '../fixtures/statistics.json' with { type: 'json' };
import { binomialShares } from './binomial.ts';
import { normalCdf, normalQuantile } from './normal.ts';
import { quantile } from './quantile.ts';
import { wilsonInterval } from './wilson.ts';

const near = (value: number, expected: number, relative = 1e-11): void =>
  expect(Math.abs(value - expected), `${value} near ${expected}`).toBeLessThanOrEqual(
    relative * Math.abs(expected) + 1e-300,
  );

describe('normal distribution', () => {
  it('has the shares of scipy, far into the tails', () => {
    for (const [z, share] of vectors.cdf) near(normalCdf(z), share);
  });

  it('has the quantiles of scipy', () => {
    for (const [share, z] of vectors.quantile) {
      if (z === 0) expect(normalQuantile(share)).toBe(0);
      else near(normalQuantile(share), z, 1e-12);
    }
    expect(normalQuantile(0)).toBe(Number.NEGATIVE_INFINITY);
    expect(() => normalQuantile(1.1)).toThrow('internal');
  });
});

describe('binomialShares', () => {
  it('has the points and tails of scipy', () => {
    for (const [k, n, p, at, upTo] of vectors.binomial) {
      near(binomialShares(k, n, p).at, at);
      near(binomialShares(k, n, p).upTo, upTo);
    }
  });
});

describe('quantile', () => {
  it('interpolates as numpy does', () => {
    const hundred = Array.from({ length: 100 }, (_, i) => i + 1);
    expect(quantile(hundred, 0.025)).toBeCloseTo(3.475, 12);
    expect(quantile(hundred, 0.975)).toBeCloseTo(97.525, 12);
    expect(quantile([7], 0.3)).toBe(7);
  });
});

describe('wilsonInterval', () => {
  it('has the intervals of statsmodels at three levels', () => {
    for (const [hits, trials, level, low, high] of vectors.wilson) {
      const interval = wilsonInterval(hits, trials, level);
      expect(interval.low).toBeCloseTo(low, 13);
      expect(interval.high).toBeCloseTo(high, 13);
      expect(interval).toMatchObject({ level, method: 'wilson' });
    }
  });

  it('has the published values', () => {
    // 81 of 263: Newcombe 1998, table I, method 3.
    const { low, high } = wilsonInterval(81, 263, 0.95);
    expect(low).toBeCloseTo(0.2553, 4);
    expect(high).toBeCloseTo(0.3662, 4);
  });

  it('has these half-widths at one half, which are shown before a run', () => {
    const halves = [50, 100, 200, 400, 1000, 2000].map((n) => {
      const { low, high } = wilsonInterval(n / 2, n, 0.95);
      return ((high - low) / 2).toFixed(3);
    });
    // A normal interval would be .139, .098, .069, .049, .031, .022; at 50 rows Wilson's is a bit narrower.
    expect(halves).toEqual(['0.134', '0.096', '0.069', '0.049', '0.031', '0.022']);
  });

  it('is one-sided at the ends', () => {
    expect(wilsonInterval(0, 20, 0.95).low).toBe(0);
    expect(wilsonInterval(29, 29, 0.95).high).toBe(1);
  });
});
