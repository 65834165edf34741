// In: a canonical row. Out: an id that depends on nothing but what the row says, so that it survives files and splits.
import { type CleanRow, rowToJson } from '#factory/records/clean-row.ts';
import { shortHash } from '../clean-batch.ts';

/** 16 hex digits; columns that play no part in training do not count. */
export function contentId(row: CleanRow): string {
  return shortHash(rowToJson({ ...row, extra: {} }));
}
