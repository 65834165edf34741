// In: a metric and the paired rows of two systems. Out: each of its values on both sides, and their difference with an
// interval and a p value. Shares of independent rows have Bonett and Price's interval and McNemar's mid-p; everything else
// the paired bootstrap, with the sign-flip test where there is one value per row. Correction for many tests is compare.ts's.
import type { Difference, DifferenceTest, ValueUnit } from '#factory/records/comparison.ts';
import type { Interval, MetricDirection, MetricValue, PredictionRow } from '#factory/records/scorecard.ts';
import { type IntervalSettings, type MetricIdentity, summarize, valueName } from '../metrics/aggregate.ts';
import type { MetricDefinition, MetricPorts, PreparedMetric } from '../metrics/definition.ts';
import { meanOfItems } from '../metrics/definition.ts';
import { type JointStatistic, resamplingUnits, withoutVariation } from '../statistics/bootstrap.ts';
import { mcnemar } from '../statistics/mcnemar.ts';
import { pairedBootstraps, signFlipTest } from '../statistics/paired.ts';
import { pairedShareInterval } from '../statistics/paired-shares.ts';
import { wilsonInterval } from '../statistics/wilson.ts';
import type { PairedRows } from './pair-rows.ts';

/** Sign patterns drawn for each resample, where there are too many to try all: they are cheap, and p needs them. */
const FLIPS_PER_RESAMPLE = 5;

interface Identity extends MetricIdentity {
  direction: MetricDirection;
  comparisonOnly: boolean;
}

export function metricDifferences(
  metric: MetricDefinition,
  options: unknown,
  { base, candidate }: PairedRows,
  ports: MetricPorts,
  settings: IntervalSettings,
): Difference[] {
  const prepared = [metric.prepare(base, options, ports), metric.prepare(candidate, options, ports)] as const;
  return differencesOf(metric, prepared, { base, candidate }, settings);
}

/** Values that users' functions gave to the rows; a row without one on either side is left out. */
export function businessDifference(
  { name, direction }: { name: string; direction: MetricDirection },
  perItem: readonly [base: readonly (number | null)[], candidate: readonly (number | null)[]],
  pair: PairedRows,
  settings: IntervalSettings,
): Difference | null {
  const known = pair.base
    .map((_, i) => i)
    .filter((i) => perItem.every((values) => typeof values[i] === 'number'));
  if (known.length === 0) return null;
  const prepare = (values: readonly (number | null)[]): PreparedMetric[] => [
    {
      ...meanOfItems(known.map((i) => values[i] as number)),
      named: name,
      invalid: values.length - known.length,
    },
  ];
  const some = (rows: readonly PredictionRow[]) => known.map((i) => rows[i]);
  const identity: Identity = {
    name: 'business',
    range: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
    direction,
    comparisonOnly: false,
  };
  const prepared = [prepare(perItem[0]), prepare(perItem[1])] as const;
  return differencesOf(
    identity,
    prepared,
    { base: some(pair.base), candidate: some(pair.candidate) },
    settings,
  )[0];
}

type Delta = Omit<NonNullable<Difference['delta']>, 'pAdjusted'>;

function differencesOf(
  metric: Identity,
  [preparedBase, preparedCandidate]: readonly [readonly PreparedMetric[], readonly PreparedMetric[]],
  pair: PairedRows,
  settings: IntervalSettings,
): Difference[] {
  const bases = summarize(metric, preparedBase, pair.base, settings);
  const candidates = summarize(metric, preparedCandidate, pair.candidate, settings);
  const byName = new Map(preparedCandidate.map((part, i) => [valueName(metric, part), i]));
  const matched = preparedBase.flatMap((part, i) => {
    const j = byName.get(valueName(metric, part));
    return j === undefined
      ? []
      : [{ a: part, b: preparedCandidate[j], base: bases[i], candidate: candidates[j] }];
  });
  const units = resamplingUnits(pair.base);
  const deltas = deltasOf(metric, matched, units, pair.base.length, settings);
  return matched.map(({ base, candidate }, i) => ({
    metric: metric.name,
    name: base.name,
    direction: metric.direction,
    unit: unitOf(metric),
    comparisonOnly: metric.comparisonOnly,
    n: pair.base.length,
    units: units.length,
    base: withoutItems(base),
    candidate: withoutItems(candidate),
    delta: deltas[i] && { ...deltas[i], pAdjusted: deltas[i].p },
  }));
}

interface Matched {
  a: PreparedMetric;
  b: PreparedMetric;
  base: MetricValue;
  candidate: MetricValue;
}

function deltasOf(
  metric: Identity,
  matched: readonly Matched[],
  units: readonly (readonly number[])[],
  rows: number,
  settings: IntervalSettings,
): (Delta | null)[] {
  const independent = units.length === rows;
  const isShare = ({ a, b }: Matched) =>
    independent && a.proportion?.trials === rows && b.proportion?.trials === rows && a.perItem && b.perItem;
  const hasValues = ({ base, candidate }: Matched) => base.value !== null && candidate.value !== null;
  const resampled = matched.filter((part) => hasValues(part) && !isShare(part));
  const bootstrapped = pairedBootstraps(jointDifference(resampled), resampled.length, units, settings);
  return matched.map((part) => {
    if (!hasValues(part)) return null;
    if (isShare(part)) return shareDelta(part, rows, settings.level);
    const found = bootstrapped[resampled.indexOf(part)];
    if (!found) return null;
    const items = part.a.perItem && part.b.perItem ? { a: part.a.perItem, b: part.b.perItem } : null;
    const test: DifferenceTest = items ? 'sign-flip' : 'paired-bootstrap';
    const sums =
      items && units.map((unit) => unit.reduce((sum, row) => sum + items.b[row] - items.a[row], 0));
    return {
      value: found.delta,
      interval: widened(found.interval, found.delta, rangeOf(metric, items), units.length),
      p: sums
        ? signFlipTest(sums, { flips: FLIPS_PER_RESAMPLE * settings.resamples, seed: settings.seed }).p
        : found.p,
      test,
    };
  });
}

/** One pass over a resample and side serves all parts that come from it. */
function jointDifference(parts: readonly Matched[]): JointStatistic {
  const passOf = (side: 'a' | 'b') => {
    const pass = parts[0]?.[side].shared?.compute;
    return pass && parts.every((part) => part[side].shared?.compute === pass) ? pass : null;
  };
  const [passA, passB] = [passOf('a'), passOf('b')];
  if (!passA || !passB) return (rows) => parts.map(({ a, b }) => b.value(rows) - a.value(rows));
  return (rows) => {
    const [base, candidate] = [passA(rows), passB(rows)];
    return parts.map(({ a, b }) => candidate[b.shared!.index] - base[a.shared!.index]);
  };
}

function shareDelta({ a, b }: Matched, rows: number, level: number): Delta {
  let [onlyA, onlyB] = [0, 0];
  for (let i = 0; i < rows; i++) {
    if (a.perItem![i] > b.perItem![i]) onlyA++;
    else if (b.perItem![i] > a.perItem![i]) onlyB++;
  }
  return {
    value: (onlyB - onlyA) / rows,
    interval: pairedShareInterval(onlyA, onlyB, rows, level),
    p: mcnemar(onlyA, onlyB).midP,
    test: 'mcnemar-mid-p',
  };
}

/** Resamples of rows that all differ by the same say nothing about rows that were not seen. */
function widened(
  interval: Interval,
  delta: number,
  range: readonly [number, number],
  units: number,
): Interval {
  if (interval.low !== interval.high) return interval;
  return withoutVariation(delta, wilsonInterval(0, units, interval.level).high, range, interval.level);
}

/** Smallest and largest possible difference; of values without bounds, what the rows show. */
function rangeOf(
  { range }: Identity,
  items: { a: readonly number[]; b: readonly number[] } | null,
): readonly [number, number] {
  if (range.every(Number.isFinite)) return [range[0] - range[1], range[1] - range[0]];
  if (!items) return [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  const all = [...items.a, ...items.b];
  const spread = all.reduce((x, y) => Math.max(x, y)) - all.reduce((x, y) => Math.min(x, y));
  return [-spread, spread];
}

function unitOf({ name, range }: Identity): ValueUnit {
  if (/_ms@/.test(name)) return 'ms';
  return range[1] === 1 && range[0] >= -1 ? 'share' : 'number';
}

/** The rows' values stay in the scorecards. */
function withoutItems(value: MetricValue): MetricValue {
  if (value.value === null || value.perItem === undefined) return value;
  const { perItem: _, ...rest } = value;
  return rest;
}
