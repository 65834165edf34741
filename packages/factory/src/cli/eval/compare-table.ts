// In: a comparison. Out: it as text for a terminal: differences with intervals, slices, costs, flipped rows.
import { formatDelta, formatP, formatRange, formatValue } from '#factory/eval/report/format.ts';
import type { Comparison, Difference, Flip } from '#factory/records/comparison.ts';
import { columns } from '../columns.ts';

/** Rows of one kind of flip that a terminal shows; the page and the JSON have all that were asked for. */
const SHOWN_FLIPS = 5;

export function comparisonText(comparison: Comparison): string {
  const { base, candidate, rows, level, correction, failed } = comparison;
  const percent = `${Number((level * 100).toFixed(2))} %`;
  const corrected = correction === 'holm' ? 'Holm' : 'Benjamini–Hochberg';
  const head = [
    `${candidate.name} (${candidate.folder}) against ${base.name} (${base.folder}) on ${rows} rows`,
    `intervals of ${percent}; p corrected by ${corrected}${failed.base + failed.candidate > 0 ? `; without an answer: ${failed.base} and ${failed.candidate}` : ''}`,
    ...comparison.notes.map(({ kind, detail }) => `note: ${kind.replaceAll('_', ' ')}: ${detail}`),
  ];
  const slices = comparison.slices.flatMap(({ slice, value, rows: n, differences }) =>
    differences.map((one) => ({ ...one, name: `${slice}=${value} (${n}): ${one.name}` })),
  );
  const small = comparison.slices.filter(({ differences }) => differences.length === 0);
  return [
    `${head.join('\n')}\n`,
    section('metric', [...comparison.metrics, ...comparison.business]),
    section('slice', slices),
    small.length > 0
      ? `too few rows to compare: ${small.map(({ slice, value, rows: n }) => `${slice}=${value} (${n})`).join(', ')}\n`
      : '',
    section('latency', comparison.latency),
    costs(comparison),
    flips(comparison),
  ]
    .filter((text) => text !== '')
    .join('\n');
}

function section(title: string, differences: readonly Difference[]): string {
  if (differences.length === 0) return '';
  return columns([
    [title, 'base', 'candidate', 'difference', 'interval', 'p', 'corrected'],
    ...differences.map(({ name, base, candidate, delta, unit }) => [
      name,
      cell(base, unit),
      cell(candidate, unit),
      ...(delta
        ? [
            formatDelta(delta.value, unit),
            formatRange(delta.interval, unit),
            formatP(delta.p),
            formatP(delta.pAdjusted),
          ]
        : ['-', '-', '-', '-']),
    ]),
  ]);
}

/** Never a value without its interval. */
function cell(value: Difference['base'], unit: Difference['unit']): string {
  if (value.value === null) return '-';
  return `${formatValue(value.value, unit)} (${formatRange(value.interval, unit)})`;
}

function costs({ costs: facts }: Comparison): string {
  if (facts.length === 0) return '';
  const text = (value: number | null, unit: (typeof facts)[number]['unit']) =>
    value === null ? '-' : formatValue(value, unit);
  return columns([
    ['cost, measured once', 'base', 'candidate'],
    ...facts.map(({ name, unit, base, candidate }) => [
      name.replaceAll('_', ' '),
      text(base, unit),
      text(candidate, unit),
    ]),
  ]);
}

function flips({ flips: found }: Comparison): string {
  if (!found) return '';
  const { by, fixed, broken, shown } = found;
  const list = (title: string, rows: readonly Flip[]) =>
    rows.length === 0
      ? []
      : [
          title,
          ...rows
            .slice(0, SHOWN_FLIPS)
            .map(
              (row) =>
                `  ${row.id}: ${short(row.prompt)} | right: ${short(row.references[0] ?? '')} | base: ${short(row.base)} | candidate: ${short(row.candidate)}`,
            ),
        ];
  return [
    `by ${by}: the candidate mends ${fixed} rows and breaks ${broken}`,
    ...list('mended, such as:', shown.fixed),
    ...list('broken, such as:', shown.broken),
    '',
  ].join('\n');
}

/** The end of a prompt is where the question usually is. */
function short(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length <= 80 ? line : `…${line.slice(-79)}`;
}
