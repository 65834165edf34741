// In: planned methods. Out: the table that `tunesmith plan` prints, as text. Pure.
import type { PlannedMethod } from '#factory/records/plan.ts';
import { columns } from './columns.ts';
import { formatBytes, formatDuration } from './progress.ts';

const GB = (bytes: number) => (bytes / 1e9).toFixed(bytes < 9.95e9 ? 2 : 1);

/** One line per method, then the terms of each. */
export function methodTable(methods: readonly PlannedMethod[]): string {
  const hasTime = methods.some((m) => m.secondsPerStep !== null);
  const hasEpoch = methods.some((m) => m.secondsPerEpoch !== null);
  const head = [
    'method',
    'memory GB',
    'fits',
    'activations',
    'trained',
    'disk',
    ...(hasTime ? ['per step'] : []),
    ...(hasEpoch ? ['per epoch'] : []),
    'PyTorch on a GPU',
  ];
  const rows = methods.map((m) => [
    m.title,
    GB(m.peakBytes),
    m.fits ? 'yes' : 'no',
    activations(m),
    millions(m.trainedParameters),
    formatBytes(m.diskBytes),
    ...(hasTime ? [seconds(m.secondsPerStep)] : []),
    ...(hasEpoch ? [m.secondsPerEpoch === null ? '-' : formatDuration(m.secondsPerEpoch)] : []),
    m.gpuBytes === null ? '-' : GB(m.gpuBytes),
  ]);
  return columns([head, ...rows]);
}

const MOMENTS: Readonly<Record<PlannedMethod['phase'], string>> = {
  loading: 'loading',
  opening: 'opening others',
  reading: 'reading',
  writing: 'answering',
  forward: 'training',
  head: 'training',
  backward: 'training',
};

/** Memory in GB by term, at the moment that has most: one column per method. */
export function termTable(methods: readonly PlannedMethod[]): string {
  const own = ['answers', 'other models'];
  const all = Object.keys(methods[0]?.terms ?? {});
  // Most runs have neither.
  const terms = all.filter((term) => !own.includes(term) || methods.some((m) => m.terms[term] > 0));
  const rows = terms.map((term) => [term, ...methods.map((m) => GB(m.terms[term]))]);
  return columns([
    ['memory by term, GB', ...methods.map((m) => m.title)],
    ...rows,
    ['peak', ...methods.map((m) => GB(m.peakBytes))],
    ['reached while', ...methods.map((m) => MOMENTS[m.phase])],
  ]);
}

export interface ClassicRow {
  model: string;
  method: string;
  tokens: number;
  /** What everybody quotes, in GB; null where the table has no such row. */
  quotedGb: number | null;
  gpuBytes: number | null;
  plannedBytes: number;
}

export function classicTable(rows: readonly ClassicRow[]): string {
  return columns([
    ['model', 'method', 'tokens', 'often quoted GB', 'PyTorch on a GPU GB', 'Tunesmith planned GB'],
    ...rows.map((r) => [
      r.model,
      r.method,
      String(r.tokens),
      r.quotedGb === null ? '-' : `~${r.quotedGb}`,
      r.gpuBytes === null ? '-' : GB(r.gpuBytes),
      GB(r.plannedBytes),
    ]),
  ]);
}

function activations({ savedLayers, trainedLayers }: PlannedMethod): string {
  if (savedLayers === trainedLayers) return 'kept';
  return savedLayers === 0 ? 'recomputed' : `${savedLayers} of ${trainedLayers} kept`;
}

function millions(count: number): string {
  return count >= 1e9 ? `${(count / 1e9).toFixed(2)} B` : `${(count / 1e6).toFixed(1)} M`;
}

function seconds(value: number | null): string {
  if (value === null) return '-';
  return value < 100 ? `${value.toFixed(1)} s` : formatDuration(value);
}
