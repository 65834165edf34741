// In: a file of comma- or tab-separated values with a header line. Out: rows, streamed; every cell is a string.
// Short rows are filled with null as pandas does; long rows are bad rows. No cell text (such as "NA") means null.
import { pipeline, Readable } from 'node:stream';
import { type CsvError, type Info, parse } from 'csv-parse';
import { FactoryError } from '#factory/errors.ts';
import { badFile, MAX_ROW_CHARS, rowTooLong } from './bad-file.ts';
import type { RawRow } from './raw-row.ts';
import { readTextChunks } from './text-stream.ts';

export async function* readCsv(path: string, delimiter: string): AsyncGenerator<RawRow> {
  // Records that are parsed but not taken yet are lost when a later one fails, so that place is noted by the parser.
  let parsed = { line: 0, records: 0 };
  const parser = parse({
    delimiter,
    info: true,
    relax_quotes: true,
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: MAX_ROW_CHARS,
    on_record(record: string[], { lines, records }) {
      parsed = { line: lines, records };
      return record;
    },
  });
  pipeline(Readable.from(readTextChunks(path)), parser, () => {});
  let header: string[] | null = null;
  let row = 0;
  try {
    for await (const item of parser as AsyncIterable<{ record: string[]; info: Info }>) {
      if (header === null) {
        header = checkHeader(path, item.record);
        continue;
      }
      yield toRow(header, item.record, row++, item.info.lines);
    }
  } catch (cause) {
    throw csvFailure(path, cause, row, parsed);
  }
}

function toRow(header: string[], cells: string[], row: number, line: number): RawRow {
  if (cells.length > header.length) {
    const detail = `expected ${header.length} cells, found ${cells.length} (line ${line})`;
    return { row, problem: { reason: 'bad_column_count', detail } };
  }
  return { row, columns: Object.fromEntries(header.map((name, i) => [name, cells[i] ?? null])) };
}

function checkHeader(path: string, cells: string[]): string[] {
  const seen = new Set<string>();
  for (const name of cells) {
    if (seen.has(name)) {
      throw badFile(path, `the header names column "${name}" twice`, 'Give every column a name of its own.');
    }
    seen.add(name);
  }
  return cells;
}

function csvFailure(
  path: string,
  cause: unknown,
  row: number,
  parsed: { line: number; records: number },
): FactoryError {
  if (cause instanceof FactoryError) return cause;
  const { code, message } = cause as CsvError;
  if (code === 'CSV_QUOTE_NOT_CLOSED') {
    return badFile(
      path,
      `a quoted cell that opens after line ${parsed.line} (row ${parsed.records}) is never closed`,
      'Close the quote, and write quotes inside cells twice ("").',
      cause,
    );
  }
  if (code === 'CSV_MAX_RECORD_SIZE') return rowTooLong(path, row);
  return badFile(path, `row ${row + 1} cannot be parsed (${message})`, 'Correct the row.', cause);
}
