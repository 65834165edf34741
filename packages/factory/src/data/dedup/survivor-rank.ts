// In: a row and the wish which row of several like ones stays. Out: a number; the highest stays.
// Times, scores and marks of editing are columns of the data, named by the recipe.
import type { CleanRow } from '#factory/records/clean-row.ts';

export type SurvivorPolicy = 'longest' | 'first' | 'newest' | 'highest_score' | 'human_edited';

export const SURVIVOR_POLICIES: readonly SurvivorPolicy[] = [
  'longest',
  'first',
  'newest',
  'highest_score',
  'human_edited',
];

/** Rows without the column rank last. `at` is the place of the row, `length` its characters. */
export function survivorRank(
  row: CleanRow,
  at: number,
  length: number,
  { policy, column }: { policy: SurvivorPolicy; column: string },
): number {
  const value = row.extra[column];
  switch (policy) {
    case 'longest':
      return length;
    case 'first':
      return -at;
    case 'highest_score':
      return toNumber(value);
    case 'newest':
      return toTime(value);
    case 'human_edited':
      return value === true || /^(1|true|yes|是)$/i.test(String(value)) ? 1 : 0;
  }
}

const LAST = -Number.MAX_VALUE;

function toNumber(value: unknown): number {
  const number =
    typeof value === 'number'
      ? value
      : typeof value === 'string' && value.trim() !== ''
        ? Number(value)
        : LAST;
  return Number.isFinite(number) ? number : LAST;
}

function toTime(value: unknown): number {
  if (typeof value === 'string' && Number.isNaN(Number(value))) {
    const time = Date.parse(value);
    return Number.isNaN(time) ? LAST : time;
  }
  return toNumber(value);
}
