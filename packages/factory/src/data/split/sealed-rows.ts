// In: training rows and a seal. Out: the rows without those that the sealed test set holds, exactly or nearly, each as an issue.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FactoryError } from '#factory/errors.ts';
import type { Example, RowIssue } from '#factory/records/message.ts';
import { parseSeal, SEAL_FILE, SealedTest } from './sealed-test.ts';

export function openSeal(path: string): SealedTest {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new FactoryError({
      code: 'DATA_NOT_FOUND',
      message: `${path}: the seal of the test set cannot be read`,
      remedy: `Give the ${SEAL_FILE} that "tunesmith data split" wrote.`,
      cause,
    });
  }
  return new SealedTest(parseSeal(text, path));
}

/** The seal that was named, or the one that lies beside dataset_info.json; null where there is none. */
export function findSeal(named: string | null, datasetDir: string): SealedTest | null {
  const beside = join(datasetDir, SEAL_FILE);
  if (named !== null) return openSeal(named);
  return existsSync(beside) ? openSeal(beside) : null;
}

export function withoutSealed(
  examples: readonly Example[],
  seal: SealedTest,
): { examples: Example[]; issues: RowIssue[] } {
  const kept: Example[] = [];
  const issues: RowIssue[] = [];
  for (const example of examples) {
    const match = seal.nearest(example.prompt.map(({ content }) => content).join('\n'));
    if (match === null) kept.push(example);
    else
      issues.push({
        source: example.source,
        kind: 'dropped',
        reason: 'sealed_test',
        detail: `the prompt is that of row ${match.row} of the sealed test set, similarity ${match.similarity.toFixed(2)}`,
      });
  }
  return { examples: kept, issues };
}
