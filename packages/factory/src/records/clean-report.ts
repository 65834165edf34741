// In: nothing. Out: what the report page of a cleaning run shows: counts of everything, samples of rows. It is embedded in the
// page as JSON, so that the page needs no server.
import type { CleanCounts, InputFile, Verdict } from './ledger.ts';

interface Bilingual {
  en: string;
  zh: string;
}

export interface ReportReason {
  step: string;
  reason: string;
  verdict: Verdict;
  text: Bilingual;
  rows: number;
  first: number;
  only: number;
  /** The score that it looks at, and the threshold; null where the reason has none. */
  score: string | null;
  threshold: number | null;
}

/** A text of a row under its role, side or column; clipped. */
export interface ReportField {
  name: string;
  text: string;
}

export interface ReportRow {
  id: string;
  file: number;
  /** From 1. */
  line: number;
  fields: ReportField[];
}

interface ReportSample extends ReportRow {
  reason: string;
  score: number | null;
  threshold: number | null;
  /** The row that stands for it. */
  survivor: ReportRow | null;
}

interface ReportEdit extends ReportRow {
  reasons: string[];
  before: ReportField[];
}

export interface ReportChart {
  name: Bilingual;
  /** Name of each bar, then the counts of kept and of dropped rows. */
  bars: { name: string; kept: number; dropped: number }[];
}

export interface CleanReport {
  recipe: string;
  files: InputFile[];
  counts: CleanCounts;
  steps: { name: string; title: Bilingual; keptAfter: number }[];
  reasons: ReportReason[];
  unreadable: {
    reason: string;
    text: Bilingual;
    rows: number;
    samples: { place: string; detail: string; raw: string }[];
  }[];
  charts: ReportChart[];
  edits: ReportEdit[];
  dropped: ReportSample[];
  flagged: ReportSample[];
  clusters: { survivor: ReportRow; size: number; members: (ReportRow & { score: number | null })[] }[];
  /** The rows nearest to each threshold, on both sides, by value. */
  boundaries: {
    reason: string;
    threshold: number;
    /** Empty for the likeness of pairs. */
    score: string;
    /** `other` is the row that it is like. */
    near: (ReportRow & { value: number; dropped: boolean; other: ReportRow | null })[];
  }[];
}
