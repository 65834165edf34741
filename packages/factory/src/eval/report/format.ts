// In: values of reports. Out: them as text with few digits: shares in percent, times in ms, sizes in GB, p values.
// The same in every language.
import type { ValueUnit } from '#factory/records/comparison.ts';
import { gigabytes } from '#factory/records/quantities.ts';
import type { Interval } from '#factory/records/scorecard.ts';

export type ShownUnit = ValueUnit | 'bytes' | 'rows' | 'seconds' | 'tokens';

export function formatValue(value: number, unit: ShownUnit): string {
  if (unit === 'share') return `${(value * 100).toFixed(1)} %`;
  if (unit === 'bytes') return gigabytes(value);
  if (unit === 'rows') return `${value}`;
  const suffix = { ms: ' ms', seconds: ' s', tokens: '', number: '' }[unit];
  return `${significant(value)}${suffix}`;
}

/** With a sign; of shares in percentage points. */
export function formatDelta(value: number, unit: ShownUnit): string {
  const text = formatValue(Math.abs(value), unit).replace(' %', ' pp');
  if (Number.parseFloat(text) === 0) return text;
  return `${value < 0 ? '−' : '+'}${text}`;
}

export function formatRange({ low, high }: Pick<Interval, 'low' | 'high'>, unit: ShownUnit): string {
  const [a, b] = unit === 'share' ? [low * 100, high * 100] : [low, high];
  const text = (x: number) => (unit === 'share' ? x.toFixed(1) : significant(x)).replace('-', '−');
  return `${text(a)} … ${text(b)}`;
}

export function formatP(p: number): string {
  return p < 0.001 ? '<0.001' : p.toFixed(3);
}

function significant(value: number): string {
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e7 || size < 1e-4) return value.toExponential(2);
  return size >= 1000 ? Math.round(value).toString() : Number(value.toPrecision(3)).toString();
}
