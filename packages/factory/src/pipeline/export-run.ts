// In: a cleaning run with verdicts. Out: its kept rows as files with a dataset_info.json, read back by the trainer's own reader
// before the folder is called complete: as many rows, with the same content.
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { contentHasher, dryLoad } from '#factory/data/check-export.ts';
import {
  addFacts,
  type ExportEntry,
  type Layout,
  layoutEntry,
  NO_ROWS,
  type RowFacts,
  toRecord,
} from '#factory/data/export-layout.ts';
import { endRecords, type TextContainer, writeRecord } from '#factory/data/write-records.ts';
import { FactoryError } from '#factory/errors.ts';
import { type CleanRow, type RowKind, rowFromJson } from '#factory/records/clean-row.ts';
import { writeAtomic } from '#factory/store/atomic-file.ts';
import type { CleanLedger } from '#factory/store/clean-ledger.ts';
import { copyRecords } from '#factory/store/parquet-export.ts';

export interface ExportWish {
  /** Null takes alpaca where every row fits, else sharegpt. */
  layout: Layout | null;
  container: TextContainer | 'parquet';
  /** Name of the data set; rows of several kinds get one each. */
  name: string;
  /** Extra columns to write along. */
  keep: readonly string[];
  /** Whether to write the id of every row. */
  ids: boolean;
}

export interface ExportedSet {
  name: string;
  path: string;
  kind: RowKind;
  layout: Layout;
  rows: number;
  /** Over the content of the rows in order. */
  sha256: string;
}

const PIECE_CHARS = 1 << 20;

export async function exportRun(
  ledger: CleanLedger,
  folder: string,
  wish: ExportWish,
): Promise<ExportedSet[]> {
  const facts = new Map<RowKind, RowFacts>();
  for await (const { row } of keptRows(ledger))
    facts.set(row.kind, addFacts(facts.get(row.kind) ?? NO_ROWS, row));
  if (facts.size === 0) {
    throw new FactoryError({
      code: 'DATA_NO_ROWS',
      message: 'the cleaning run keeps no row, so there is nothing to export',
      remedy:
        'Look at the reasons with "tunesmith data report", then move a threshold with "tunesmith data decide".',
    });
  }
  mkdirSync(folder, { recursive: true });
  const exported: ExportedSet[] = [];
  for (const [kind, found] of facts) {
    const name = facts.size === 1 ? wish.name : `${wish.name}_${kind}`;
    const isPlain = found.toolTurns === 0;
    const layout = wish.layout ?? (isPlain && !found.hasHistory ? 'alpaca' : 'sharegpt');
    checkFit(kind, layout, wish.container, found);
    const fileName = `${name}.${wish.container}`;
    const entry = layoutEntry(fileName, layout, kind, found);
    const path = join(folder, fileName);
    const content = contentHasher();
    const records = recordsOf(ledger, kind, entry, layout, wish, content.add);
    if (wish.container === 'parquet') await copyRecords(path, entry.columns, records);
    else await writeAtomic(path, textOf(records, wish.container));
    await addInfo(folder, name, entry);
    const sha256 = content.digest();
    const load = await dryLoad(folder, name, kind);
    if (load.dropped > 0 || load.used !== found.rows || load.sha256 !== sha256) {
      throw new FactoryError({
        code: 'DATA_EXPORT_DIFFERS',
        message: `${path}: ${found.rows} rows were written, ${load.used} are read back${load.problem === null ? ', with other content' : `; ${load.problem}`}`,
        remedy: 'Export with --to jsonl, which can hold every text.',
      });
    }
    exported.push({ name, path, kind, layout, rows: found.rows, sha256 });
  }
  return exported;
}

async function* keptRows(ledger: CleanLedger): AsyncGenerator<{ id: string; row: CleanRow }> {
  const sql = 'select id, text from cleaned join decisions using (n) where rule = -1 order by n';
  for await (const [ids, texts] of ledger.columns(sql)) {
    for (let i = 0; i < ids!.length; i++)
      yield { id: ids![i] as string, row: rowFromJson(texts![i] as string) };
  }
}

async function* recordsOf(
  ledger: CleanLedger,
  kind: RowKind,
  entry: ExportEntry,
  layout: Layout,
  wish: ExportWish,
  add: (row: CleanRow) => void,
): AsyncGenerator<Record<string, unknown>> {
  for await (const { id, row } of keptRows(ledger)) {
    if (row.kind !== kind) continue;
    add(row);
    const record = toRecord(row, entry, layout);
    for (const name of wish.keep) if (!Object.hasOwn(record, name)) record[name] = row.extra[name] ?? null;
    if (wish.ids) record.row_id = id;
    yield record;
  }
}

async function* textOf(
  records: AsyncIterable<Record<string, unknown>>,
  container: TextContainer,
): AsyncGenerator<Buffer> {
  let text = '';
  let count = 0;
  for await (const record of records) {
    text += writeRecord(record, container, count++);
    if (text.length < PIECE_CHARS) continue;
    yield Buffer.from(text);
    text = '';
  }
  yield Buffer.from(text + endRecords(container, count));
}

/** Other data sets of the folder stay. */
async function addInfo(folder: string, name: string, entry: ExportEntry): Promise<void> {
  const path = join(folder, 'dataset_info.json');
  const before = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>) : {};
  await writeAtomic(path, `${JSON.stringify({ ...before, [name]: entry }, null, 2)}\n`);
}

function checkFit(kind: RowKind, layout: Layout, container: ExportWish['container'], facts: RowFacts): void {
  const isTable = container === 'csv' || container === 'tsv';
  const problem =
    layout === 'alpaca' && facts.toolTurns > 0
      ? `${facts.toolTurns} rows have tool calls or results, which alpaca cannot say`
      : isTable && kind === 'feedback'
        ? `the good/bad label is true or false, and ${container} holds texts only`
        : isTable && kind === 'preference' && layout !== 'alpaca'
          ? `chosen and rejected are objects in ${layout}, and ${container} holds texts only`
          : null;
  if (problem === null) return;
  throw new FactoryError({
    code: 'DATA_UNSUPPORTED_FORMAT',
    message: `these rows cannot be exported as ${layout} in ${container}: ${problem}`,
    remedy: 'Export with --to sharegpt.',
  });
}
