// In: one data file. Out: its rows in order, each an object of columns or the reason why it is none.
// What the columns mean is convert.ts's business; a file that cannot be read at all is a FactoryError.
import type { DataFile } from './find-files.ts';
import type { RawRow } from './raw-row.ts';
import { readCsv } from './read-csv.ts';
import { readJson } from './read-json.ts';
import { readMail } from './read-mail.ts';
import { readParquet } from './read-parquet.ts';
import { readTextRows } from './read-text.ts';
import { readXlsx } from './read-xlsx.ts';

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
    case 'xlsx':
      return readXlsx(file.path);
    case 'mail':
      return readMail(file.path);
  }
}
