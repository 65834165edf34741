// In: paired rows and the metrics of a comparison. Out: the rows on which one side is right and the other wrong, by the
// first metric that calls a row right or wrong. Where no metric does, there are no flips.
import type { Comparison, Flip } from '#factory/records/comparison.ts';
import type { MetricRequest } from '#factory/records/evaluation.ts';
import type { MetricName } from '#factory/records/metric-names.ts';
import type { MetricPorts } from '../metrics/definition.ts';
import { METRICS } from '../metrics/registry.ts';
import type { PairedRows } from './pair-rows.ts';

/** Shares of rows that say nothing about right or wrong. */
const NOT_RIGHT: readonly MetricName[] = ['validity_rate', 'refusal_rate', 'language_match', 'json_valid'];

export function findFlips(
  requests: readonly MetricRequest[],
  { base, candidate }: PairedRows,
  ports: MetricPorts,
  show: number,
): Comparison['flips'] {
  for (const { name, options } of requests) {
    const metric = METRICS[name];
    if (NOT_RIGHT.includes(name) || metric.direction !== 'higher' || metric.comparisonOnly) continue;
    const [[a], [b]] = [base, candidate].map((rows) => metric.prepare(rows, options, ports));
    if (!a?.proportion || !b?.proportion || !a.perItem || !b.perItem) continue;
    if (a.perItem.length !== base.length || b.perItem.length !== base.length) continue;
    const [right, now] = [a.perItem, b.perItem];
    const fixed = base.map((_, i) => i).filter((i) => now[i] > right[i]);
    const broken = base.map((_, i) => i).filter((i) => now[i] < right[i]);
    const flip = (i: number): Flip => ({
      id: base[i].id,
      prompt: base[i].prompt,
      references: base[i].label === undefined ? base[i].references : [base[i].label],
      base: base[i].prediction,
      candidate: candidate[i].prediction,
      slices: base[i].slices ?? {},
    });
    return {
      by: name,
      fixed: fixed.length,
      broken: broken.length,
      shown: { fixed: fixed.slice(0, show).map(flip), broken: broken.slice(0, show).map(flip) },
    };
  }
  return null;
}
