// In: data files and the seal of a test set. Out: every row whose prompt the test set has, exactly or nearly.
import { readInput } from '#factory/data/clean-input.ts';
import { rowSides } from '#factory/data/dedup/row-sides.ts';
import { describeInputs } from '#factory/data/describe-inputs.ts';
import { openSeal } from '#factory/data/split/sealed-rows.ts';
import { AS_IT_IS } from './split-data.ts';

interface SealCheck {
  rows: number;
  unreadable: number;
  testRows: number;
  matches: { file: string; row: number; testRow: number; similarity: number }[];
}

export async function checkSeal(inputs: readonly string[], sealPath: string): Promise<SealCheck> {
  const seal = openSeal(sealPath);
  const plan = await describeInputs(inputs, AS_IT_IS);
  const result: SealCheck = { rows: 0, unreadable: 0, testRows: seal.rows, matches: [] };
  for (const [at, source] of plan.sources.entries()) {
    const format = plan.formats[at];
    if (!format) continue;
    for await (const { row, clean } of readInput(source, format, AS_IT_IS)) {
      if (clean === null) {
        result.unreadable++;
        continue;
      }
      result.rows++;
      const match = seal.nearest(rowSides(clean, 'prompt').prompt ?? '');
      if (match)
        result.matches.push({ file: source.path, row, testRow: match.row, similarity: match.similarity });
    }
  }
  return result;
}
