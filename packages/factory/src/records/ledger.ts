// In: nothing. Out: what a cleaning run says about a row, and about itself. The ledger is where no row is lost in silence.

/**
 * `keep` with a reason is a flag for people; `merge` drops a row in favour of a survivor; `create` is a row made from
 * others. Every row that was read has exactly one final verdict.
 */
export type Verdict = 'keep' | 'edit' | 'drop' | 'merge' | 'create';

export interface LedgerEntry {
  /** Row id: the same for the same content at the same place of the same file, whatever the recipe. */
  row: string;
  step: string;
  verdict: Verdict;
  reason: string;
  /** The number that the verdict rests on, and what it was compared with; null where there is none. */
  score: number | null;
  threshold: number | null;
  detail: string;
  /** Short hashes of the canonical row before and after; equal unless the verdict is `edit`. */
  before: string;
  after: string;
  /** Rows that this one was made from, or the survivor that stands for it. */
  parents: string[];
}

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
