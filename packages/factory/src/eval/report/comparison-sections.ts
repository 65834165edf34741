// In: a comparison. Out: its sections of a page: differences with their intervals drawn, classes, slices, costs, flipped rows.
import type { Comparison, Difference, Flip } from '#factory/records/comparison.ts';
import { formatDelta, formatP, formatRange, formatValue } from './format.ts';
import { effectOf, intervalPlot, scaleOf } from './interval-plot.ts';
import { type Both, both, details, section, table, text } from './page.ts';
import { COST_WORDS, noteWords } from './verdict-words.ts';

/** More parts or slices than this are folded away. */
const SHOWN_AT_ONCE = 12;

export function comparisonSections(comparison: Comparison): string[] {
  const { metrics, business, parts, slices, latency, notes } = comparison;
  return [
    notes.map((note) => `<p class="warning">${both(noteWords(note))}</p>`).join(''),
    metricsSection(comparison, [...business, ...metrics]),
    parts.length === 0 ? '' : partsSection(parts),
    slices.length === 0 ? '' : slicesSection(comparison),
    latency.length + comparison.costs.length === 0 ? '' : costSection(comparison),
    flipsSection(comparison),
  ];
}

function metricsSection({ level, correction, rows }: Comparison, differences: readonly Difference[]): string {
  const percent = `${Number((level * 100).toFixed(2))} %`;
  const name = correction === 'holm' ? 'Holm' : 'Benjamini–Hochberg';
  return section({ en: 'Metrics', zh: '指标' }, differenceTable(differences), {
    en: `Candidate minus base on the same ${rows} rows, with ${percent} intervals. An interval that crosses the dashed line is compatible with no difference. p is corrected for the number of metrics (${name}).`,
    zh: `候选减基线，基于相同的 ${rows} 行，置信水平 ${percent}。区间跨过虚线表示可能没有差异。p 值已按指标数量校正（${name}）。`,
  });
}

const HEAD: readonly Both[] = [
  { en: 'metric', zh: '指标' },
  { en: 'base', zh: '基线' },
  { en: 'candidate', zh: '候选' },
  { en: 'difference', zh: '差异' },
  { en: '', zh: '' },
  { en: 'p, corrected', zh: 'p（校正后）' },
];

/** Shares have one scale, so that their bars can be compared; every other value has its own. */
function differenceTable(
  differences: readonly Difference[],
  nameOf = ({ name }: Difference) => name,
): string {
  const shared = scaleOf(differences.filter(({ unit }) => unit === 'share'));
  const rows = differences.map((one) => {
    const { unit, delta } = one;
    const effect = effectOf(one);
    return {
      cells: [
        text(nameOf(one)),
        valueCell(one.base, unit),
        valueCell(one.candidate, unit),
        delta
          ? `<span class="${effect}">${formatDelta(delta.value, unit)}</span> <small>${formatRange(delta.interval, unit)}</small>`
          : '–',
        intervalPlot(one, unit === 'share' ? shared : scaleOf([one])),
        delta ? formatP(delta.pAdjusted) : '–',
      ],
    };
  });
  return table(HEAD.map(both), rows);
}

function valueCell(value: Difference['base'], unit: Difference['unit']): string {
  if (value.value === null) return `– <small>${text(value.reason)}</small>`;
  return `${formatValue(value.value, unit)} <small>${formatRange(value.interval, unit)}</small>`;
}

/** Worst first: a gain counts as positive whichever way the metric goes. */
function byGain(a: Difference, b: Difference): number {
  const gain = ({ delta, direction }: Difference) =>
    delta ? delta.value * (direction === 'lower' ? -1 : 1) : Number.POSITIVE_INFINITY;
  return gain(a) - gain(b);
}

function partsSection(parts: readonly Difference[]): string {
  const sorted = [...parts].sort(byGain);
  const body =
    sorted.length <= SHOWN_AT_ONCE
      ? differenceTable(sorted)
      : differenceTable(sorted.slice(0, SHOWN_AT_ONCE)) +
        details(
          { en: `All ${sorted.length}`, zh: `全部 ${sorted.length} 项` },
          differenceTable(sorted.slice(SHOWN_AT_ONCE)),
        );
  return section({ en: 'By class, worst first', zh: '按类别（最差在前）' }, body);
}

function slicesSection({ slices }: Comparison): string {
  const shown = slices
    .flatMap(({ slice, value, rows, differences }) =>
      differences.map((one) => ({ one, name: `${slice}=${value} (${rows}): ${one.name}` })),
    )
    .sort((a, b) => byGain(a.one, b.one));
  const names = new Map(shown.map(({ one, name }) => [one, name]));
  const small = slices.filter(({ differences }) => differences.length === 0);
  const tableOf = (some: typeof shown) =>
    differenceTable(
      some.map(({ one }) => one),
      (one) => names.get(one) ?? one.name,
    );
  const left = small.map(({ slice, value, rows }) => `${slice}=${value} (${rows})`).join(', ');
  return section(
    { en: 'Slices, worst first', zh: '分组（最差在前）' },
    tableOf(shown.slice(0, SHOWN_AT_ONCE)) +
      (shown.length > SHOWN_AT_ONCE
        ? details(
            { en: `All ${shown.length}`, zh: `全部 ${shown.length} 项` },
            tableOf(shown.slice(SHOWN_AT_ONCE)),
          )
        : '') +
      (left === ''
        ? ''
        : `<p class="note">${both({ en: `Too few rows to compare: ${left}`, zh: `行数太少，未比较：${left}` })}</p>`),
    {
      en: 'In brackets the rows of the slice. p is corrected for the number of slices and metrics together.',
      zh: '括号内为该分组的行数。p 值按分组与指标的总数校正。',
    },
  );
}

function costSection({ latency, costs }: Comparison): string {
  const shown = (value: number | null, unit: (typeof costs)[number]['unit']) =>
    value === null ? '–' : formatValue(value, unit);
  const facts = table(
    [{ en: 'measured once', zh: '单次测量' }, HEAD[1], HEAD[2]].map(both),
    costs.map(({ name, unit, base, candidate }) => ({
      cells: [both(COST_WORDS[name]), shown(base, unit), shown(candidate, unit)],
    })),
  );
  return section(
    { en: 'Cost', zh: '成本' },
    (latency.length > 0 ? differenceTable(latency) : '') + (costs.length > 0 ? facts : ''),
  );
}

function flipsSection({ flips }: Comparison): string {
  if (!flips) return '';
  const { by, fixed, broken, shown } = flips;
  const list = (title: Both, rows: readonly Flip[]) =>
    rows.length === 0 ? '' : details(title, flipTable(rows), true);
  return section(
    { en: 'Rows that changed', zh: '结果翻转的行' },
    list(
      {
        en: `Broken (${shown.broken.length} of ${broken})`,
        zh: `由对变错（${broken} 行中的 ${shown.broken.length} 行）`,
      },
      shown.broken,
    ) +
      list(
        {
          en: `Mended (${shown.fixed.length} of ${fixed})`,
          zh: `由错变对（${fixed} 行中的 ${shown.fixed.length} 行）`,
        },
        shown.fixed,
      ),
    {
      en: `By ${by}, the candidate mends ${fixed} rows and breaks ${broken}.`,
      zh: `按 ${by} 计，候选模型改对 ${fixed} 行，改错 ${broken} 行。`,
    },
  );
}

function flipTable(rows: readonly Flip[]): string {
  const head = [
    { en: 'row', zh: '行' },
    { en: 'prompt', zh: '提示' },
    { en: 'right answer', zh: '正确答案' },
    HEAD[1],
    HEAD[2],
  ];
  return table(
    head.map(both),
    rows.map((row) => ({
      cells: [
        text(row.id),
        ...[row.prompt, row.references.join(' | '), row.base, row.candidate].map(textCell),
      ],
    })),
  );
}

/** Long texts scroll in their cell. */
export function textCell(raw: string): string {
  return `<div class="text">${text(raw)}</div>`;
}
