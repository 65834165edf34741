// In: numbers of rows that the page shows. Out: these rows field by field, clipped so that the page stays small: a row as it is
// now, or before and after its edits from a little before the first difference on. All are read from the ledger at once.
import type { ReportField, ReportRow } from '#factory/records/clean-report.ts';
import { type CleanRow, rowFromJson } from '#factory/records/clean-row.ts';
import type { CleanLedger } from '#factory/store/clean-ledger.ts';

/** Longest text of one field in the page, in UTF-16 units. */
const CLIP = 2400;
/** Columns without a part in training are there to tell rows apart. */
const COLUMN_CLIP = 200;
/** What stands before the first difference of a long text. */
const LEAD = 200;
const COLUMN = 'column ';
const SIDES: Partial<Record<CleanRow['kind'], readonly string[]>> = {
  preference: ['chosen', 'rejected'],
  feedback: ['good', 'bad'],
};

interface LedgerRow {
  n: number;
  id: string;
  file: number;
  line: number;
  original: string;
  text: string;
}

export class ShownRows {
  readonly #rows: ReadonlyMap<number, LedgerRow>;

  private constructor(rows: ReadonlyMap<number, LedgerRow>) {
    this.#rows = rows;
  }

  static async load(ledger: CleanLedger, numbers: Iterable<number>): Promise<ShownRows> {
    const wanted = [...new Set(numbers)].filter((n) => n >= 0).sort((a, b) => a - b);
    if (wanted.length === 0) return new ShownRows(new Map());
    const rows = (await ledger.query(
      `select n, id, file, line, original, text from cleaned where n in (${wanted.join(', ')})`,
    )) as unknown as LedgerRow[];
    return new ShownRows(new Map(rows.map((row) => [row.n, row])));
  }

  row(n: number): ReportRow {
    const row = this.#rows.get(n)!;
    return {
      ...placeOf(row),
      fields: fieldsOf(row.text).map((field) => shownField(field)),
    };
  }

  edited(n: number): ReportRow & { before: ReportField[] } {
    const row = this.#rows.get(n)!;
    const after = fieldsOf(row.text);
    const before = fieldsOf(row.original);
    const isAlike = before.length === after.length && before.every(([name], i) => name === after[i]![0]);
    const starts = before.map(([, text], i) => (isAlike ? startOf(text, after[i]![1]) : 0));
    const cut = (fields: readonly Field[]) => fields.map((field, i) => shownField(field, starts[i]));
    return { ...placeOf(row), fields: cut(after), before: cut(before) };
  }
}

function placeOf({ id, file, line }: LedgerRow): Pick<ReportRow, 'id' | 'file' | 'line'> {
  return { id, file, line: line + 1 };
}

type Field = [name: string, text: string];

/** Turns by role, answers of pairs by side, then tools and other columns by name. */
function fieldsOf(json: string): Field[] {
  const row = rowFromJson(json);
  const fields: Field[] = row.system === '' ? [] : [['system', row.system]];
  for (const { role, content } of row.prompt) fields.push([row.kind === 'text' ? '' : role, content]);
  const sides = SIDES[row.kind];
  for (const [i, { role, content }] of row.response.entries()) fields.push([sides?.[i] ?? role, content]);
  if (row.tools !== '') fields.push(['tools', row.tools]);
  for (const [name, value] of Object.entries(row.extra))
    fields.push([COLUMN + name, typeof value === 'string' ? value : JSON.stringify(value)]);
  return fields;
}

/** Where a pair of texts is worth looking at: at their start, or before their first difference if that lies far in. */
function startOf(before: string, after: string): number {
  if (before === after) return 0;
  let same = 0;
  while (same < before.length && before[same] === after[same]) same++;
  return same < CLIP / 2 ? 0 : same - LEAD;
}

function shownField([name, text]: Field, start = 0): ReportField {
  return { name, text: clip(text, start, name.startsWith(COLUMN) ? COLUMN_CLIP : CLIP) };
}

function clip(text: string, start: number, limit: number): string {
  const end = Math.min(text.length, start + limit);
  // Half a surrogate pair at either end would be an unreadable character.
  const piece = text.slice(isLow(text, start) ? start + 1 : start, isLow(text, end) ? end - 1 : end);
  return `${start > 0 ? '…' : ''}${piece}${end < text.length ? '…' : ''}`;
}

function isLow(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 0xdc00 && code < 0xe000;
}
