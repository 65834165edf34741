// In: one data file. Out: its rows in order, each an object of columns or the reason why it is none.
// What the columns mean is convert.ts's business; a file that cannot be read at all is a FactoryError.
import type { DataFile } from './find-files.ts';
import { readCsv } from './read-csv.ts';
import { readJson } from './read-json.ts';
import { readParquet } from './read-parquet.ts';
import { readTextRows } from './read-text.ts';
import type { Problem } from './row-reasons.ts';

export type Columns = Record<string, unknown>;

/** `row` is the zero-based line in JSON Lines and text files, else the zero-based record. */
export type RawRow = { row: number; columns: Columns } | { row: number; problem: Problem };

export function readRows(file: DataFile): AsyncGenerator<RawRow> {
  switch (file.kind) {
    case 'json':
      return readJson(file.path);
    case 'csv':
      return readCsv(file.path, file.delimiter);
    case 'parquet':
      return readParquet(file.path);
    case 'text':
      return readTextRows(file.path);
  }
}
