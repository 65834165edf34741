// In: what the columns of a file mean. Out: the entry of dataset_info.json that says so for a file of the same columns.
import { type DatasetEntry, DEFAULT_COLUMNS, DEFAULT_TAGS } from '../dataset-info.ts';

/** Columns and tags that are the defaults of the format are left out. */
export function infoEntry(
  { formatting, ranking, columns, tags }: Pick<DatasetEntry, 'formatting' | 'ranking' | 'columns' | 'tags'>,
  fileName: string,
): Record<string, unknown> {
  const named = Object.fromEntries(Object.entries(columns).filter(([, column]) => column !== null));
  const isDefault = JSON.stringify(sorted(named)) === JSON.stringify(sorted(DEFAULT_COLUMNS[formatting]));
  const hasTags = JSON.stringify(tags) !== JSON.stringify(DEFAULT_TAGS[formatting]);
  return {
    file_name: fileName,
    ...(formatting === 'alpaca' ? {} : { formatting }),
    ...(ranking ? { ranking } : {}),
    ...(isDefault ? {} : { columns: named }),
    ...(hasTags ? { tags: Object.fromEntries(Object.entries(tags).filter(([, tag]) => tag !== null)) } : {}),
  };
}

function sorted(map: Record<string, string | null>): [string, string | null][] {
  return Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1));
}
