// In: canonical rows, and by what they are to be stratified. Out: a label per row, and a name for it. Without a wish, short
// answers that repeat are taken for labels.
import { FactoryError } from '#factory/errors.ts';
import type { RowSet } from '../clean-step.ts';
import { rowSides } from '../dedup/row-sides.ts';

/** Answers count as labels up to this many different ones, with this many rows each on average. */
const MAX_LABELS = 200;
const ROWS_PER_LABEL = 5;

export interface Strata {
  /** A column, `answer`, or `none`. */
  by: string;
  label(row: number): string;
}

export function strataOf(rows: RowSet, by: string | null): Strata {
  const answer = (row: number) => (rowSides(rows.row(row)).answer ?? '').trim();
  if (by === 'none') return NONE;
  if (by === 'answer') return { by, label: answer };
  if (by !== null) {
    const label = (row: number) => {
      const value = rows.row(row).extra[by];
      return value === undefined || value === null ? '' : String(value);
    };
    for (let row = 0; row < rows.count; row++) if (label(row) !== '') return { by, label };
    throw new FactoryError({
      code: 'ARGS_BAD_VALUE',
      message: `stratify_by: no row has a value in a column "${by}" that plays no other part`,
      remedy: 'Name a column of the data, or write --stratify_by answer or --stratify_by none.',
    });
  }
  const seen = new Set<string>();
  for (let row = 0; row < rows.count; row++) {
    seen.add(answer(row));
    if (seen.size > MAX_LABELS || seen.size * ROWS_PER_LABEL > rows.count) return NONE;
  }
  return seen.size > 1 ? { by: 'answer', label: answer } : NONE;
}

const NONE: Strata = { by: 'none', label: () => '' };
