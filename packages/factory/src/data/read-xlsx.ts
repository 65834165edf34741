// In: an Excel workbook (.xlsx). Out: the rows of every sheet, the first row of each being its header; every cell is a string, null
// where it is empty. Formulas give the value that was stored with them. The whole workbook is in memory.
import { readFile, stat } from 'node:fs/promises';
import { badFile } from './bad-file.ts';
import type { RawRow } from './raw-row.ts';

/** Workbooks are read as a whole; larger tables belong into CSV or Parquet. */
const MAX_BYTES = 200 * 1024 * 1024;

export async function* readXlsx(path: string): AsyncGenerator<RawRow> {
  const info = await stat(path).catch((cause) => {
    throw badFile(path, `cannot be read (${(cause as Error).message})`, 'Check the path.', cause);
  });
  if (info.size > MAX_BYTES)
    throw badFile(
      path,
      `the workbook has ${info.size} bytes, at most ${MAX_BYTES} are read`,
      'Save it as CSV.',
    );
  const bytes = await readFile(path);
  // A workbook is a ZIP archive; the reader would take any other text for a table of one cell.
  if (bytes[0] !== 0x50 || bytes[1] !== 0x4b)
    throw badFile(path, 'is not an Excel workbook (.xlsx)', 'Save the workbook again as .xlsx.');
  const { read, utils } = await import('@e965/xlsx');
  let row = 0;
  let sheets: unknown[][][];
  try {
    const book = read(bytes, { cellDates: true, cellFormula: false, cellHTML: false });
    sheets = book.SheetNames.map((name) =>
      utils.sheet_to_json<unknown[]>(book.Sheets[name]!, {
        header: 1,
        raw: true,
        defval: null,
        blankrows: false,
      }),
    );
  } catch (cause) {
    throw badFile(
      path,
      `the workbook is damaged (${(cause as Error).message})`,
      'Save the workbook again.',
      cause,
    );
  }
  for (const [header, ...rows] of sheets) {
    if (header === undefined) continue;
    const names = header.map((cell) => cellText(cell) ?? '');
    for (const cells of rows) {
      const columns: Record<string, string | null> = {};
      let extra = 0;
      for (const [index, cell] of cells.entries()) {
        const name = names[index] ?? '';
        if (name !== '') columns[name] = cellText(cell);
        else if (cell !== null) extra++;
      }
      const problem = { reason: 'bad_column_count' as const, detail: `${extra} cells stand under no header` };
      yield extra > 0 ? { row: row++, problem } : { row: row++, columns };
    }
  }
}

function cellText(cell: unknown): string | null {
  if (cell === null || cell === undefined || cell === '') return null;
  if (cell instanceof Date) return cell.toISOString().replace('T00:00:00.000Z', '');
  return String(cell);
}
