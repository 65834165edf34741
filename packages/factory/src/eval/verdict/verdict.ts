// In: rules, two evaluations and their comparison. Out: the verdict: ship, do not ship, or not enough evidence and how
// many more rows; with every criterion, warnings and the worst answers. Reading and showing files is left to others.
import { FactoryError } from '#factory/errors.ts';
import type { Comparison } from '#factory/records/comparison.ts';
import type { EvaluationRecord } from '#factory/records/evaluation.ts';
import type { Criterion, Decision, Rules, Verdict, VerdictWarning } from '#factory/records/verdict.ts';
import type { EvaluationSide } from '../compare/pair-rows.ts';
import { judgeCriteria } from './criteria.ts';
import { worstExamples } from './worst-examples.ts';

export interface RuleFile {
  rules: Rules;
  path: string;
  sha256: string;
  /** ISO 8601, UTC. */
  modifiedAt: string;
}

export interface VerdictMaker {
  version: string;
  /** ISO 8601, UTC. */
  now: string;
}

const EXIT = { ship: 0, do_not_ship: 1, not_enough_evidence: 3 } as const;

/** Wrong answers to show. */
const WORST = 20;

export function verdict(
  file: RuleFile,
  base: EvaluationSide,
  candidate: EvaluationSide,
  comparison: Comparison,
  maker: VerdictMaker,
): Verdict {
  const { rules } = file;
  refuseOverlap(rules, candidate);
  const criteria = judgeCriteria(rules, comparison, candidate.record);
  const decision = decide(criteria);
  return {
    format: 1,
    decision,
    exitStatus: EXIT[decision],
    moreRows: decision === 'not_enough_evidence' ? rowsMissing(criteria) : null,
    rules: { ...rules, path: file.path, sha256: file.sha256, modifiedAt: file.modifiedAt },
    criteria,
    warnings: warningsOf(file, base.record, candidate.record, comparison),
    comparison,
    worst: worstExamples(candidate, comparison.flips?.by ?? null, WORST),
    base: base.record,
    candidate: candidate.record,
    version: maker.version,
    madeAt: maker.now,
  };
}

/** With too few rows an interval may decide by luck of a handful; only what is measured once can fail then. */
export function decide(criteria: readonly Criterion[]): Decision {
  const tooFew = criteria.some(({ kind, state }) => kind === 'rows' && state === 'open');
  const failed = criteria.filter(({ state }) => state === 'failed');
  if (failed.some(({ found }) => !tooFew || found?.interval === null)) return 'do_not_ship';
  return criteria.every(({ state }) => state === 'met') ? 'ship' : 'not_enough_evidence';
}

/** The most that any open criterion needs; null where one of them cannot be settled by rows. */
function rowsMissing(criteria: readonly Criterion[]): number | null {
  const open = criteria.filter(({ state }) => state === 'open').map(({ moreRows }) => moreRows ?? null);
  return open.length === 0 || open.includes(null) ? null : Math.max(...open.map((rows) => rows ?? 0));
}

function refuseOverlap(rules: Rules, { folder, record }: EvaluationSide): void {
  const { overlap, rows } = record.data;
  if (overlap === null || overlap <= rules.overlap_at_most) return;
  throw new FactoryError({
    code: 'EVAL_OVERLAP',
    message: `${folder}: expected at most ${rules.overlap_at_most} rows that the model was trained on, found ${overlap} of ${rows}`,
    remedy: 'Evaluate on rows that are not in the training data; what was learnt by heart says nothing.',
  });
}

function warningsOf(
  file: RuleFile,
  base: EvaluationRecord,
  candidate: EvaluationRecord,
  comparison: Comparison,
): VerdictWarning[] {
  const warnings: VerdictWarning[] = [];
  const first = [base.startedAt, candidate.startedAt].sort()[0];
  if (Date.parse(file.modifiedAt) > Date.parse(first))
    warnings.push({ kind: 'rules_newer', detail: `${file.modifiedAt} > ${first}` });
  if (candidate.data.overlap === null)
    warnings.push({ kind: 'training_data_unknown', detail: candidate.model.path });
  const { base: a, candidate: b } = comparison.failed;
  if (a + b > 0) warnings.push({ kind: 'failed_rows', detail: `${a}, ${b}` });
  return warnings;
}
