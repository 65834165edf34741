// In: examples that will be trained or evaluated on. Out: notes about content that often is a mistake: rows that occur
// twice, rows in both sets, placeholders nobody filled in. Nothing is changed or dropped.
import type { Example } from '#factory/records/message.ts';
import { rowKey } from './content-hash.ts';
import { listNames } from './suggest-name.ts';

export interface DatasetNote {
  dataset: string;
  kind:
    | 'duplicates'
    | 'overlap'
    | 'placeholders'
    | 'format'
    | 'answers_unused'
    | 'system_unchanged'
    | 'encoding';
  /** Rows concerned. */
  count: number;
  text: string;
}

const PLACEHOLDER = /\{\{\s*[A-Za-z_][\w.-]*\s*\}\}/g;

/** Rows whose content an earlier row already had. */
export function countDuplicates(examples: readonly Example[]): number {
  return examples.length - new Set(examples.map(rowKey)).size;
}

export function notePlaceholders(dataset: string, examples: readonly Example[]): DatasetNote[] {
  const names = new Set<string>();
  let count = 0;
  for (const { prompt, response, system } of examples) {
    const found = [system, ...prompt.map((m) => m.content), ...response.map((m) => m.content)].flatMap(
      (text) => text.match(PLACEHOLDER) ?? [],
    );
    if (found.length > 0) count++;
    for (const name of found) if (names.size < 100) names.add(name);
  }
  if (count === 0) return [];
  const text = `rows with placeholders: ${count}, such as ${listNames([...names], 4)}: replace them, or the model learns the braces`;
  return [{ dataset, kind: 'placeholders', count, text }];
}

/** Evaluation rows that are trained on too make the evaluation look better than it is. */
export function noteOverlap(
  train: readonly Example[],
  evaluation: Readonly<Record<string, readonly Example[]>>,
): DatasetNote[] {
  const sets = Object.entries(evaluation).filter(([, rows]) => rows.length > 0);
  if (sets.length === 0) return [];
  const trained = new Set(train.map(rowKey));
  return sets.flatMap(([dataset, rows]) => {
    const count = rows.filter((row) => trained.has(rowKey(row))).length;
    if (count === 0) return [];
    const text = `${count} of ${rows.length} evaluation rows are also trained on: the evaluation will look too good`;
    return [{ dataset, kind: 'overlap' as const, count, text }];
  });
}
