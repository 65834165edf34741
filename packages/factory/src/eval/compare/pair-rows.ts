// In: two evaluations with their answered rows. Out: the rows in one order, so that row i is the same question on both
// sides, or a refusal that says where the data differ. It computes no metric.
import { FactoryError } from '#factory/errors.ts';
import type { EvaluationRecord, Scorecard } from '#factory/records/evaluation.ts';
import type { PredictionRow } from '#factory/records/scorecard.ts';

/** One evaluation, as read from its folder. */
export interface EvaluationSide {
  folder: string;
  record: EvaluationRecord;
  rows: readonly PredictionRow[];
  scorecard: Scorecard;
}

export interface PairedRows {
  base: readonly PredictionRow[];
  candidate: readonly PredictionRow[];
}

export function pairRows(base: EvaluationSide, candidate: EvaluationSide): PairedRows {
  for (const side of [base, candidate]) checkWhole(side);
  const byId = new Map(candidate.rows.map((row) => [row.id, row]));
  const missing = base.rows.filter((row) => !byId.has(row.id));
  if (missing.length > 0 || base.rows.length !== candidate.rows.length)
    throw different(
      base,
      candidate,
      `${base.rows.length} and ${candidate.rows.length} rows, of which ${base.rows.length - missing.length} have the same id`,
      missing[0]?.id,
    );
  const paired = base.rows.map((row) => byId.get(row.id) as PredictionRow);
  base.rows.forEach((row, i) => {
    const field = differingField(row, paired[i]);
    if (field !== null) throw different(base, candidate, `row ${row.id} with another ${field}`, row.id);
  });
  return { base: base.rows, candidate: paired };
}

function checkWhole({ folder, record, rows }: EvaluationSide): void {
  const unique = new Set(rows.map((row) => row.id)).size;
  if (rows.length === record.data.rows && unique === rows.length && rows.length > 0) return;
  throw new FactoryError({
    code: 'EVAL_BAD_FOLDER',
    message: `${folder}: expected ${record.data.rows} answered rows with ids of their own, found ${rows.length} rows with ${unique} ids`,
    remedy: 'Run the same "tunesmith eval" command again: it goes on where it stopped.',
  });
}

function differingField(a: PredictionRow, b: PredictionRow): string | null {
  if (a.prompt !== b.prompt) return 'prompt';
  if ((a.label ?? null) !== (b.label ?? null)) return 'label';
  const same =
    a.references.length === b.references.length && a.references.every((text, i) => text === b.references[i]);
  return same ? null : 'reference';
}

function different(
  base: EvaluationSide,
  candidate: EvaluationSide,
  found: string,
  row?: string,
): FactoryError {
  const hash = ({ record }: EvaluationSide) => record.data.contentSha256.slice(0, 12);
  return new FactoryError({
    code: 'EVAL_DIFFERENT_DATA',
    message: `${base.folder} and ${candidate.folder} were evaluated on different data: expected the same rows (data ${hash(base)} and ${hash(candidate)}), found ${found}`,
    remedy: 'Evaluate both models on the same files with the same max_samples and seed, then compare again.',
    details: { row },
  });
}
