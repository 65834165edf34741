// In: a plain text file. Out: one row per line with the single column `text`, as Hugging Face's text loader names it.
// Blank lines separate documents and are no rows.
import type { RawRow } from './raw-row.ts';
import { readLines } from './text-stream.ts';

export async function* readTextRows(path: string): AsyncGenerator<RawRow> {
  for await (const { line, text } of readLines(path)) {
    if (text.trim() !== '') yield { row: line, columns: { text } };
  }
}
