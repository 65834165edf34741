// In: scores, findings and thresholds. Out: one final verdict for every row, flags, and counts per reason. Row rules come
// first, in the order of the recipe, then steps over sets among the rows that are left, so that no row goes in favour of
// one that goes itself. Deciding again after a threshold moved needs nothing else.
import { invariant } from '#factory/errors.ts';
import type { ReasonCount } from '#factory/records/ledger.ts';
import type { RecipeStep } from './clean-recipe.ts';
import type { SetFindings } from './clean-step.ts';

export interface DecideInput {
  rows: number;
  steps: readonly RecipeStep[];
  /** Scores of row steps. */
  scoreOf(step: string, score: string): Readonly<Float64Array>;
  findingsOf(step: string): SetFindings;
  /** Rows with at least one edit of each reason, by step. */
  edits: readonly { step: string; reason: string; rows: number }[];
  /** Reasons that a person switched off, and rows that a person wants kept. */
  restoredReasons: ReadonlySet<string>;
  restoredRows: ReadonlySet<number>;
}

export interface Rule {
  step: string;
  reason: string;
  verdict: 'drop' | 'merge' | 'keep';
}

export interface Decisions {
  rules: Rule[];
  /** Per row: number of the rule that drops it, or -1 where it is kept. */
  rule: Int16Array;
  score: Float64Array;
  threshold: Float64Array;
  /** Per row: the row that stands for it, or -1. */
  survivor: Int32Array;
  flags: { row: number; rule: number; score: number; threshold: number }[];
  counts: ReasonCount[];
}

/** Flags are for people; more than this many of one reason are counted only. */
const MAX_FLAGS = 10_000;

export function decide(input: DecideInput): Decisions {
  const { rows } = input;
  const decisions: Decisions = {
    ...{ rules: [], flags: [], counts: [] },
    rule: new Int16Array(rows).fill(-1),
    score: new Float64Array(rows).fill(Number.NaN),
    threshold: new Float64Array(rows).fill(Number.NaN),
    survivor: new Int32Array(rows).fill(-1),
  };
  const fired = new Uint16Array(rows);
  // Which rule fired alone is known only at the end, so the last one is kept beside the count.
  const lastFired = new Int16Array(rows).fill(-1);
  for (const one of input.steps) {
    if (one.step.kind === 'row') decideRowStep(input, one, decisions, fired, lastFired);
  }
  const alive = new Uint8Array(rows);
  for (let row = 0; row < rows; row++) alive[row] = decisions.rule[row] === -1 ? 1 : 0;
  for (const one of input.steps) {
    if (one.step.kind === 'set') decideSetStep(input, one, decisions, alive, fired, lastFired);
  }
  for (let row = 0; row < rows; row++) {
    if (fired[row] === 1) decisions.counts[lastFired[row]!]!.only++;
    const rule = decisions.rule[row]!;
    if (rule >= 0) decisions.counts[rule]!.first++;
  }
  for (const { step, reason, rows: count } of input.edits)
    decisions.counts.push({ step, reason, verdict: 'edit', rows: count, first: 0, only: 0 });
  return decisions;
}

function addRule(decisions: Decisions, rule: Rule): number {
  decisions.counts.push({ ...rule, rows: 0, first: 0, only: 0 });
  return decisions.rules.push(rule) - 1;
}

function decideRowStep(
  { rows, scoreOf, restoredReasons, restoredRows }: DecideInput,
  { step, options }: RecipeStep,
  decisions: Decisions,
  fired: Uint16Array,
  lastFired: Int16Array,
): void {
  for (const [reason, { verdict, rule }] of Object.entries(step.reasons)) {
    if (verdict === 'edit' || verdict === 'merge') continue;
    invariant(rule !== undefined, `reason ${reason} of ${step.name} has no rule`);
    const number = addRule(decisions, { step: step.name, reason, verdict });
    const threshold = options[rule.option] as number | null;
    if (threshold === null || restoredReasons.has(reason)) continue;
    const scores = scoreOf(step.name, rule.score);
    const isBelow = rule.when === 'below';
    let flags = 0;
    for (let row = 0; row < rows; row++) {
      const score = scores[row]!;
      if (!(isBelow ? score < threshold : score > threshold)) continue;
      decisions.counts[number]!.rows++;
      if (verdict === 'keep') {
        if (flags++ < MAX_FLAGS) decisions.flags.push({ row, rule: number, score, threshold });
        continue;
      }
      if (restoredRows.has(row)) continue;
      fired[row]!++;
      lastFired[row] = number;
      if (decisions.rule[row] !== -1) continue;
      decisions.rule[row] = number;
      decisions.score[row] = score;
      decisions.threshold[row] = threshold;
    }
  }
}

function decideSetStep(
  { findingsOf, restoredReasons, restoredRows }: DecideInput,
  { step, options }: RecipeStep,
  decisions: Decisions,
  alive: Uint8Array,
  fired: Uint16Array,
  lastFired: Int16Array,
): void {
  invariant(step.kind === 'set', `${step.name} is no set step`);
  const numbers = new Map<string, number>();
  for (const [reason, { verdict }] of Object.entries(step.reasons)) {
    if (verdict !== 'edit') numbers.set(reason, addRule(decisions, { step: step.name, reason, verdict }));
  }
  const flagged = new Map<string, number>();
  for (const { row, reason, score, threshold, survivor } of step.decide(
    findingsOf(step.name),
    options,
    alive,
  )) {
    const number = numbers.get(reason);
    invariant(number !== undefined, `step ${step.name} declares no reason ${reason}`);
    if (restoredReasons.has(reason) || alive[row] !== 1) continue;
    decisions.counts[number]!.rows++;
    if (decisions.rules[number]!.verdict === 'keep') {
      const count = (flagged.get(reason) ?? 0) + 1;
      flagged.set(reason, count);
      if (count <= MAX_FLAGS) decisions.flags.push({ row, rule: number, score, threshold });
      continue;
    }
    if (restoredRows.has(row)) continue;
    alive[row] = 0;
    fired[row]!++;
    lastFired[row] = number;
    decisions.rule[row] = number;
    decisions.score[row] = score;
    decisions.threshold[row] = threshold;
    decisions.survivor[row] = survivor ?? -1;
  }
}
