// In: nothing. Out: what a cleaning step is. A step measures rows or edits them, and says in words why rows go; whether a
// row goes is decided last, from its scores and the thresholds, so that a threshold can move without measuring anew.
// Steps are pure: same rows and options, same result, whatever the order of threads.
import type { CleanRow } from '#factory/records/clean-row.ts';
import type { Verdict } from '#factory/records/ledger.ts';

/** Everything that people read about a step, in both languages. */
export interface StepText {
  en: string;
  zh: string;
}

/**
 * `decide` options are thresholds: moving one needs no new scores. `score` options change what is measured or edited.
 * A number may be null where `optional`: the rule that uses it is then off.
 */
export interface OptionSpec {
  type: 'number' | 'integer' | 'boolean' | 'text' | 'choice' | 'texts';
  default: number | boolean | string | readonly string[] | null;
  role: 'score' | 'decide';
  optional?: boolean;
  choices?: readonly string[];
  min?: number;
  max?: number;
  text: StepText;
}

export type OptionValue = OptionSpec['default'];
export type StepOptions = Readonly<Record<string, OptionValue>>;

/** A row rule fires where `score` is strictly below or above the option. A score that is NaN fires nothing. */
interface RowRule {
  score: string;
  when: 'below' | 'above';
  option: string;
}

export interface ReasonSpec {
  /** `keep` marks rows for people to look at, and drops nothing. */
  verdict: Exclude<Verdict, 'create'>;
  /** For drop and keep reasons of row steps. Edit reasons are reported by `edited`, merge reasons by `decide`. */
  rule?: RowRule;
  /** For reasons of set steps that go by a threshold: what is compared with it, and its option. `null`: values of pairs. */
  boundary?: { score: string | null; option: string };
  text: StepText;
}

interface StepBase {
  /** Kebab-case; unique in the table. */
  name: string;
  /** Raised whenever the same row may get another result. */
  version: number;
  title: StepText;
  options: Readonly<Record<string, OptionSpec>>;
  /** Numbers per row, by name within the step. */
  scores: Readonly<Record<string, StepText>>;
  /** Short words per row, such as a language. */
  labels?: Readonly<Record<string, StepText>>;
  /** By code: snake_case, unique in the whole table. */
  reasons: Readonly<Record<string, ReasonSpec>>;
}

/** What a row step says about the row at hand. Names are those that the step declares. */
export interface RowFindings {
  score(name: string, value: number): void;
  label(name: string, value: string): void;
  /** `count` changes of this kind; `detail` is a few words, such as the first thing that was changed. */
  edited(reason: string, count: number, detail?: string): void;
}

/** Looks at one row at a time. Runs in worker threads; `create` is called once in each. */
export interface RowStep extends StepBase {
  kind: 'row';
  /** The function returns the row as it goes on, and the same object where nothing changed. */
  create(options: StepOptions): (row: CleanRow, found: RowFindings) => CleanRow;
}

/** All rows as they are at this point of the recipe, by number. */
export interface RowSet {
  readonly count: number;
  row(index: number): CleanRow;
  /** 16 hex digits. */
  id(index: number): string;
}

export interface SetContext {
  signal: AbortSignal;
  seed: number;
  /** Shows progress and lets the event loop turn; to be awaited every few thousand rows. Throws when stopped. */
  progress(done: number, total: number): Promise<void>;
  env: Readonly<Record<string, string | undefined>>;
  fetch: typeof fetch;
  /** A folder of the run for answers that cost time or money. */
  cacheFolder: string;
}

/** Relations between rows that were found, each with its number: kept in the ledger, and all that `decide` sees. */
export interface RowPairs {
  a: Uint32Array;
  b: Uint32Array;
  value: Float64Array;
}

export interface SetFindings {
  /** One value per row; NaN for none. */
  scores: Record<string, Float64Array>;
  labels?: Record<string, string[]>;
  pairs: RowPairs;
}

export interface SetDecision {
  row: number;
  reason: string;
  score: number;
  threshold: number;
  /** The row that stands for this one, or null. */
  survivor: number | null;
}

/** Looks at all rows together, such as for duplicates. */
export interface SetStep extends StepBase {
  kind: 'set';
  run(rows: RowSet, options: StepOptions, context: SetContext): Promise<SetFindings>;
  /** `alive[i]` is 1 for rows that no earlier rule drops. Pure and quick; at most one decision of verdict drop or merge a row. */
  decide(findings: SetFindings, options: StepOptions, alive: Readonly<Uint8Array>): Iterable<SetDecision>;
}

export type CleanStep = RowStep | SetStep;
