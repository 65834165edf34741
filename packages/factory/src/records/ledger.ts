// In: nothing. Out: what a cleaning run says about a row, and about itself. The ledger is where no row is lost in silence.

/**
 * `keep` with a reason is a flag for people; `merge` drops a row in favour of a survivor; `create` is a row made from
 * others. Every row that was read has exactly one final verdict.
 */
export type Verdict = 'keep' | 'edit' | 'drop' | 'merge' | 'create';

/** A row of a file that could not become a canonical row. It stays in the ledger with its raw columns. */
export interface UnreadableRow {
  file: number;
  row: number;
  reason: string;
  detail: string;
  raw: string;
}

/** One file that was read. */
export interface InputFile {
  path: string;
  /** Hex SHA-256 of the bytes. */
  sha256: string;
  bytes: number;
  encoding: string;
  format: string;
}

/** Counts of one reason over a run. */
export interface ReasonCount {
  step: string;
  reason: string;
  verdict: Verdict;
  /** Rows for which the reason holds, whatever else does. */
  rows: number;
  /** Rows for which it was the first reason to be dropped. */
  first: number;
  /** Rows that only this reason drops: what moving its threshold would bring back. */
  only: number;
}

/** `read = kept + dropped`; rows that a file held are `read + unreadable`. */
export interface CleanCounts {
  read: number;
  unreadable: number;
  kept: number;
  dropped: number;
  edited: number;
}
