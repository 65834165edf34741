// In: two evaluations on the same rows. Out: the comparison: metrics, their parts, business values, slices, latencies, each
// as a paired difference with interval and corrected p; costs; rows that flipped. It decides nothing: that is verdict/.
import { FactoryError } from '#factory/errors.ts';
import type {
  Comparison,
  ComparisonNote,
  Correction,
  Difference,
  SliceDifferences,
} from '#factory/records/comparison.ts';
import type { MetricRequest } from '#factory/records/evaluation.ts';
import type { MetricName } from '#factory/records/metric-names.ts';
import type { IntervalSettings } from '../metrics/aggregate.ts';
import type { MetricPorts } from '../metrics/definition.ts';
import { METRICS } from '../metrics/registry.ts';
import { benjaminiHochberg, holm } from '../statistics/multiplicity.ts';
import { costFacts } from './costs.ts';
import { businessDifference, metricDifferences } from './differences.ts';
import { findFlips } from './flips.ts';
import { type EvaluationSide, type PairedRows, pairRows } from './pair-rows.ts';

export interface CompareSettings extends IntervalSettings {
  correction: Correction;
  /** Flipped rows to show of each kind. */
  flips: number;
}

/** A slice with fewer rows says nothing; it is listed with its size alone. */
const MIN_SLICE_ROWS = 10;

const LATENCIES: readonly MetricName[] = [
  'first_token_ms@p50',
  'first_token_ms@p95',
  'last_token_ms@p50',
  'last_token_ms@p95',
  'last_token_ms@p99',
  'tokens_per_second',
];

export function compare(
  base: EvaluationSide,
  candidate: EvaluationSide,
  ports: MetricPorts,
  settings: CompareSettings,
): Comparison {
  const pair = pairRows(base, candidate);
  const notes: ComparisonNote[] = [];
  const requests = commonRequests(base, candidate, notes);
  const usable: MetricRequest[] = [];
  const measured = requests.flatMap((request) => {
    const { name, options } = request;
    try {
      const found = metricDifferences(METRICS[name], options, pair, ports, settings);
      usable.push(request);
      return found;
    } catch (error) {
      // A metric that needs what these rows lack is told, and does not lose the comparison.
      if (!(error instanceof FactoryError)) throw error;
      notes.push({ kind: 'metric_failed', detail: error.message });
      return [];
    }
  });
  const [parts, metrics] = [measured.filter(isPart), measured.filter((one) => !isPart(one))];
  const business = businessDifferences(base, candidate, pair, settings);
  const slices = sliceDifferences(base, candidate, pair, usable, ports, settings);
  const latency = latencyDifferences(pair, ports, settings);
  const correct = { holm, bh: benjaminiHochberg }[settings.correction];
  for (const family of [
    [...metrics, ...business],
    parts,
    slices.flatMap(({ differences }) => differences),
    latency,
  ])
    adjust(family, correct);
  if (base.record.task.predict !== candidate.record.task.predict)
    notes.push({
      kind: 'different_prediction',
      detail: `${base.record.task.predict}, ${candidate.record.task.predict}`,
    });
  const [machineA, machineB] = [base, candidate].map(({ record: { machine } }) => machine.processor);
  if (machineA !== machineB) notes.push({ kind: 'different_machine', detail: `${machineA}; ${machineB}` });
  return {
    base: { folder: base.folder, name: base.record.name },
    candidate: { folder: candidate.folder, name: candidate.record.name },
    rows: pair.base.length,
    failed: { base: failures(pair.base), candidate: failures(pair.candidate) },
    level: settings.level,
    resamples: settings.resamples,
    seed: settings.seed,
    correction: settings.correction,
    metrics,
    parts,
    business,
    slices,
    latency,
    costs: costFacts(base.record, candidate.record),
    flips: findFlips(usable, pair, ports, settings.flips),
    notes,
  };
}

/** On the rows that both sides were timed on; an evaluation may time some only. */
function latencyDifferences(pair: PairedRows, ports: MetricPorts, settings: IntervalSettings): Difference[] {
  const timed = pair.base.flatMap((row, i) => (row.timings && pair.candidate[i].timings ? [i] : []));
  if (timed.length < 2) return [];
  const some = subset(pair, timed);
  return LATENCIES.flatMap((name) => metricDifferences(METRICS[name], {}, some, ports, settings));
}

const isPart = ({ name }: Difference) => name.endsWith(']');
const failures = (rows: PairedRows['base']) => rows.filter((row) => row.failure !== undefined).length;

function adjust(family: readonly Difference[], correct: (p: readonly number[]) => number[]): void {
  const tested = family.filter(({ delta }) => delta !== null);
  const adjusted = correct(tested.map(({ delta }) => delta!.p));
  tested.forEach(({ delta }, i) => {
    delta!.pAdjusted = adjusted[i];
  });
}

/** The same name with the same options on both sides; latencies have a table of their own. */
function commonRequests(
  base: EvaluationSide,
  candidate: EvaluationSide,
  notes: ComparisonNote[],
): MetricRequest[] {
  const keyOf = ({ name, options }: MetricRequest) => `${name} ${JSON.stringify(sorted(options))}`;
  const wanted = (side: EvaluationSide) =>
    side.record.metrics.filter(({ name }) => !LATENCIES.includes(name) && !/_token_ms@/.test(name));
  const [a, b] = [wanted(base), wanted(candidate)];
  const keysA = new Set(a.map(keyOf));
  const keysB = new Set(b.map(keyOf));
  const alone = [...a.filter((one) => !keysB.has(keyOf(one))), ...b.filter((one) => !keysA.has(keyOf(one)))];
  if (alone.length > 0)
    notes.push({
      kind: 'metric_on_one_side',
      detail: [...new Set(alone.map(({ name }) => name))].join(', '),
    });
  return a.filter((one) => keysB.has(keyOf(one)));
}

function sorted(options: Record<string, unknown>): [string, unknown][] {
  return Object.entries(options).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Values by row number of the base, from the scorecards: users' code is not run again. */
function businessItems(side: EvaluationSide, order: PairedRows['base']) {
  const at = new Map(side.rows.map((row, i) => [row.id, i]));
  const places = order.map((row) => at.get(row.id) as number);
  return new Map(
    (side.scorecard.business?.scores ?? []).map(({ value, direction }) => {
      const items = value.value === null ? undefined : value.perItem;
      return [value.name, { direction, items: places.map((i) => items?.[i] ?? null) }];
    }),
  );
}

function businessDifferences(
  base: EvaluationSide,
  candidate: EvaluationSide,
  pair: PairedRows,
  settings: IntervalSettings,
  some: readonly number[] = pair.base.map((_, i) => i),
): Difference[] {
  const [a, b] = [businessItems(base, pair.base), businessItems(candidate, pair.base)];
  return [...a].flatMap(([name, { direction, items }]) => {
    const other = b.get(name);
    if (!other) return [];
    const perItem = [some.map((i) => items[i]), some.map((i) => other.items[i])] as const;
    const found = businessDifference({ name, direction }, perItem, subset(pair, some), settings);
    return found ? [found] : [];
  });
}

function subset({ base, candidate }: PairedRows, some: readonly number[]): PairedRows {
  return { base: some.map((i) => base[i]), candidate: some.map((i) => candidate[i]) };
}

function sliceDifferences(
  base: EvaluationSide,
  candidate: EvaluationSide,
  pair: PairedRows,
  requests: readonly MetricRequest[],
  ports: MetricPorts,
  settings: IntervalSettings,
): SliceDifferences[] {
  const groups = new Map<string, { slice: string; value: string; rows: number[] }>();
  pair.base.forEach((row, i) => {
    for (const [slice, value] of Object.entries(row.slices ?? {})) {
      const key = JSON.stringify([slice, value]);
      const group = groups.get(key) ?? { slice, value, rows: [] };
      group.rows.push(i);
      groups.set(key, group);
    }
  });
  return [...groups.values()].map(({ slice, value, rows }) => {
    const sliced = subset(pair, rows);
    const differences =
      rows.length < MIN_SLICE_ROWS
        ? []
        : [
            ...businessDifferences(base, candidate, pair, settings, rows),
            // A class of a slice is too little, and a report of all of them too much.
            ...requests
              .flatMap(({ name, options }) =>
                metricDifferences(METRICS[name], options, sliced, ports, settings),
              )
              .filter((one) => !isPart(one)),
          ];
    return { slice, value, rows: rows.length, differences };
  });
}
