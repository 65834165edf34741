// In: nothing. Out: a row as its file holds it, before its columns mean anything.
import type { Problem } from './row-reasons.ts';

export type Columns = Record<string, unknown>;

/** `row` is the zero-based line in JSON Lines and text files, else the zero-based record. */
export type RawRow = { row: number; columns: Columns } | { row: number; problem: Problem };
