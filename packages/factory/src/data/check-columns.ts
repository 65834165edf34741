// In: an entry, and the columns that its files turned out to have. Out: nothing, or an error that names the column.
// One wrong column name would otherwise make a problem of every single row.
import { FactoryError } from '#factory/errors.ts';
import type { Stage } from '#factory/records/train-args.ts';
import type { DatasetEntry } from './dataset-info.ts';
import type { Columns } from './raw-row.ts';
import { didYouMean, listNames } from './suggest-name.ts';

/** Enough names for messages and checks; rows with ever new keys must not fill the memory. */
const MAX_NAMES = 10_000;

/** Counts rows and the union of their column names. */
export class ColumnCensus {
  readonly names = new Set<string>();
  rows = 0;

  add(row: Columns): void {
    this.rows++;
    for (const name in row) if (this.names.size < MAX_NAMES) this.names.add(name);
  }
}

/** Without a census: what the entry alone tells. With it: whether the named columns exist in any row. */
export function checkColumns(entry: DatasetEntry, stage: Stage, census: ColumnCensus | null): void {
  if (census === null) {
    checkStage(entry, stage);
    return;
  }
  if (census.rows === 0 || census.names.size >= MAX_NAMES) return;
  for (const [key, column] of Object.entries(entry.columns)) {
    if (column === null || census.names.has(column)) continue;
    if (!entry.columnsNamed && !isNeeded(key, entry, stage)) continue;
    const names = [...census.names];
    throw new FactoryError({
      code: 'DATA_BAD_INFO',
      message: `data set "${entry.name}" (${entry.path}): no row has the column "${column}" (${key}); there are ${listNames(names)}.${didYouMean(column, names)}`,
      remedy: `Set "${key}" under "columns" of "${entry.name}" in dataset_info.json to a column of the file.`,
    });
  }
}

/** Default columns may be absent unless the stage cannot do without them. */
function isNeeded(key: string, { formatting }: DatasetEntry, stage: Stage): boolean {
  if (stage === 'pt') return key === 'prompt';
  if (formatting !== 'alpaca') return key === 'messages';
  return key === 'prompt' || (key === 'response' && (stage === 'sft' || stage === 'kto'));
}

function checkStage({ name, formatting, columns, ranking }: DatasetEntry, stage: Stage): void {
  if (stage === 'pt' && formatting !== 'alpaca') {
    throw new FactoryError({
      code: 'DATA_UNSUPPORTED_FORMAT',
      message: `data set "${name}": stage pt reads one text column, found ${formatting} conversations`,
      remedy: 'Use stage sft for conversations, or give a data set with "columns": {"prompt": "text"}.',
    });
  }
  const needsPairs = stage === 'dpo' || stage === 'rm';
  if (needsPairs && !(ranking && columns.chosen !== null && columns.rejected !== null)) {
    throw new FactoryError({
      code: 'DATA_BAD_INFO',
      message: `data set "${name}": stage ${stage} trains on pairs, but ${ranking ? '"columns" names no chosen and rejected' : '"ranking" is not true'}`,
      remedy:
        'Set "ranking": true and "chosen" and "rejected" under "columns" in dataset_info.json, or use stage sft.',
    });
  }
  if (stage === 'kto' && (columns.kto_tag === null || ranking)) {
    throw new FactoryError({
      code: 'DATA_BAD_INFO',
      message: `data set "${name}": stage kto trains on rated answers, but ${ranking ? '"ranking" is true' : '"columns" names no kto_tag'}`,
      remedy: ranking
        ? 'Use stage dpo for pairs.'
        : 'Set "kto_tag" under "columns" in dataset_info.json to the column of true and false.',
    });
  }
  if (
    stage === 'sft' &&
    formatting === 'alpaca' &&
    columns.response === null &&
    !ranking &&
    columns.kto_tag === null
  ) {
    throw new FactoryError({
      code: 'DATA_BAD_INFO',
      message: `data set "${name}": "columns" names no response, so stage sft has nothing to learn`,
      remedy: 'Add "response" to "columns" in dataset_info.json, or use stage pt for plain text.',
    });
  }
}
