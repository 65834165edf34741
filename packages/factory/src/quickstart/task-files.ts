// In: the two parts of the spam task. Out: a data folder in LLaMA-Factory's layout, as a user would write it by hand.
import { join } from 'node:path';
import { writeAtomic } from '#factory/store/atomic-file.ts';
import { SPAM_PACKAGE, type SpamTask } from './spam-task.ts';

export const TRAIN_DATASET = 'spam_train';
export const TEST_DATASET = 'spam_test';

/** Writes dataset_info.json, one alpaca file for each part, and the report that no text is in both. */
export async function writeTaskFiles(folder: string, task: SpamTask): Promise<void> {
  const columns = { prompt: 'instruction', query: 'input', response: 'output' };
  const info = {
    [TRAIN_DATASET]: { file_name: `${TRAIN_DATASET}.json`, columns },
    [TEST_DATASET]: { file_name: `${TEST_DATASET}.json`, columns },
  };
  const source = { package: SPAM_PACKAGE, licence: 'CC0-1.0 (contents), PDDL-1.0 (collection)' };
  const files: [string, unknown][] = [
    ['dataset_info.json', info],
    [`${TRAIN_DATASET}.json`, task.train],
    [`${TEST_DATASET}.json`, task.test],
    ['spam_report.json', { source, ...task.report }],
  ];
  for (const [name, content] of files) {
    await writeAtomic(join(folder, name), `${JSON.stringify(content, null, 2)}\n`);
  }
}
