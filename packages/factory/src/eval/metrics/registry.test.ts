import { describe, expect, it } from 'vitest';
import { METRIC_NAMES } from '#factory/records/metric-names.ts';
import { findMetric, METRICS } from './registry.ts';

describe('METRICS', () => {
  it('has every name once, and each definition says what it is', () => {
    expect(Object.keys(METRICS).sort()).toEqual([...METRIC_NAMES].sort());
    for (const name of METRIC_NAMES) {
      const metric = METRICS[name];
      expect(metric.name).toBe(name);
      expect(metric.range[0]).toBeLessThan(metric.range[1]);
      expect(metric.summary).toMatch(/\.$/);
      expect(metric.source.length).toBeGreaterThan(10);
    }
  });

  it('suggests the variants of a name that is none', () => {
    expect(findMetric('f1_macro')).toBe(METRICS.f1_macro);
    expect(() => findMetric('ece')).toThrow(/ece@equal-width, ece@equal-mass/);
    expect(() => findMetric('constructor')).toThrow(/found "constructor"/);
  });
});
