// In: a time back from now, or a date, as people write it. Out: milliseconds since 1970.
import { FactoryError } from '#factory/errors.ts';

const HOURS: Readonly<Record<string, number>> = { m: 1 / 60, h: 1, d: 24, w: 168 };

export function readMoment(text: string, name: string, nowMs: number): number {
  const [, count, unit] = /^(\d{1,6})([mhdw])$/.exec(text) ?? [];
  if (unit !== undefined) return nowMs - Number(count) * (HOURS[unit] as number) * 3_600_000;
  // A date without a zone is one of UTC, as the table shows them.
  const date = /^\d{4}-\d\d-\d\d/.test(text)
    ? Date.parse(/[zZ]|[+-]\d\d:\d\d$/.test(text) || text.length === 10 ? text : `${text.replace(' ', 'T')}Z`)
    : Number.NaN;
  if (Number.isFinite(date)) return date;
  throw new FactoryError({
    code: 'ARGS_BAD_VALUE',
    message: `--${name}: expected a time back as 90m, 24h, 7d or 2w, or a date as 2026-11-24 or 2026-11-24 08:00, found ${JSON.stringify(text)}`,
    remedy: `Correct the value of ${name}.`,
  });
}
