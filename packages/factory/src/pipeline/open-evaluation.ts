// In: the folder of a finished evaluation. Out: its record, rows and scorecard, as comparisons and verdicts take them.
import type { EvaluationSide } from '#factory/eval/compare/pair-rows.ts';
import { readEvaluation, readPredictions, readScorecard } from '#factory/store/evaluation-files.ts';

export async function openEvaluation(folder: string): Promise<EvaluationSide> {
  const record = await readEvaluation(folder);
  const scorecard = await readScorecard(folder);
  return { folder, record, scorecard, rows: await readPredictions(folder) };
}
