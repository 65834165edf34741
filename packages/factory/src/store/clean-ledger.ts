// In: the folder of a cleaning run, and what its steps found. Out: ledger.duckdb, which holds every row as it was and as it
// is, every score and every verdict, and answers questions about them. This is the only SQL about rows.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  DOUBLE,
  type DuckDBConnection,
  DuckDBDataChunk,
  DuckDBInstance,
  type DuckDBType,
  type DuckDBValue,
  INTEGER,
  VARCHAR,
} from '@duckdb/node-api';
import { FactoryError } from '#factory/errors.ts';
import type { InputFile, UnreadableRow } from '#factory/records/ledger.ts';

export const LEDGER_FILE = 'ledger.duckdb';
/** Rows per chunk; the size that DuckDB's vectors have. */
const CHUNK_ROWS = 2048;

const TABLES = `
  create table if not exists info (key varchar primary key, value varchar);
  create table if not exists files (file integer, path varchar, sha256 varchar, bytes double, encoding varchar, format varchar);
  create table if not exists rows (n integer, id varchar, file integer, line integer, original varchar);
  create table if not exists unreadable (file integer, line integer, reason varchar, detail varchar, raw varchar);
  create table if not exists edits (n integer, step varchar, reason varchar, count integer, detail varchar, before varchar, after varchar);
  create table if not exists pairs (step varchar, a integer, b integer, value double);
  create table if not exists decisions (n integer, rule integer, score double, threshold double, survivor integer);
  create table if not exists flags (n integer, rule integer, score double, threshold double);
  create table if not exists rules (rule integer, step varchar, reason varchar, verdict varchar, rows integer, first integer, only_ integer);
`;

export type Column =
  | { type: 'integer'; values: ArrayLike<number | null> }
  | { type: 'double'; values: ArrayLike<number | null> }
  | { type: 'text'; values: readonly (string | null)[] };

const TYPES: Record<Column['type'], DuckDBType> = { integer: INTEGER, double: DOUBLE, text: VARCHAR };

export class CleanLedger {
  readonly #instance: DuckDBInstance;
  readonly #connection: DuckDBConnection;
  #isInside = false;

  private constructor(instance: DuckDBInstance, connection: DuckDBConnection) {
    this.#instance = instance;
    this.#connection = connection;
  }

  /** Opens the ledger of a run, and makes an empty one where `create` is set and there is none. */
  static async open(folder: string, create: boolean): Promise<CleanLedger> {
    const path = join(folder, LEDGER_FILE);
    if (!create && !existsSync(path)) throw noRun(folder);
    let instance: DuckDBInstance;
    try {
      instance = await DuckDBInstance.create(path, {
        threads: '2',
        memory_limit: '512MB',
        preserve_insertion_order: 'true',
        autoinstall_known_extensions: 'false',
        autoload_known_extensions: 'false',
      });
    } catch (cause) {
      throw unusable(path, cause);
    }
    const connection = await instance.connect();
    const ledger = new CleanLedger(instance, connection);
    // A run that was killed while it made the tables has some of them.
    if (create) await ledger.transaction(async () => void (await connection.run(TABLES)));
    else if ((await ledger.query(`from duckdb_tables() where table_name = 'info'`)).length === 0) {
      ledger.close();
      throw noRun(folder);
    }
    return ledger;
  }

  close(): void {
    this.#connection.closeSync();
    this.#instance.closeSync();
  }

  /** All or nothing: a run that is killed inside leaves the state of before. One inside another is part of it. */
  async transaction(work: () => Promise<void>): Promise<void> {
    if (this.#isInside) return work();
    this.#isInside = true;
    await this.#connection.run('begin');
    try {
      await work();
      await this.#connection.run('commit');
    } catch (error) {
      await this.#connection.run('rollback');
      throw error;
    } finally {
      this.#isInside = false;
    }
  }

  async append(table: string, columns: readonly Column[]): Promise<void> {
    const rows = columns[0]!.values.length;
    if (rows === 0) return;
    const appender = await this.#connection.createAppender(table);
    const types = columns.map(({ type }) => TYPES[type]);
    for (let start = 0; start < rows; start += CHUNK_ROWS) {
      const end = Math.min(rows, start + CHUNK_ROWS);
      const chunk = DuckDBDataChunk.create(types);
      chunk.setColumns(columns.map((column) => sliceOf(column, start, end)));
      appender.appendDataChunk(chunk);
    }
    appender.closeSync();
  }

  /** Columns that a pass adds: row number, the row's text where the pass changed it, then scores and labels. */
  async createPass(pass: number, scores: readonly string[], labels: readonly string[]): Promise<void> {
    const columns = [
      ...scores.map((name) => `${quote(name)} double`),
      ...labels.map((name) => `${quote(name)} varchar`),
    ];
    await this.#connection.run(
      `create or replace table pass_${pass} (${['n integer', 'after varchar', ...columns].join(', ')})`,
    );
  }

  /** `cleaned`: every row as it is after the last pass. */
  async createCleanedView(passes: number): Promise<void> {
    const names = Array.from({ length: passes }, (_, pass) => `pass_${pass}`);
    const text = ['original', ...names.map((name) => `${name}.after`)].reverse().join(', ');
    const joins = names.map((name) => `join ${name} using (n)`).join(' ');
    await this.#connection.run(
      `create or replace view cleaned as select n, id, file, line, original, coalesce(${text}) as text from rows ${joins}`,
    );
  }

  async clear(table: string): Promise<void> {
    await this.#connection.run(`delete from ${quote(table)}`);
  }

  async query(sql: string, values: readonly DuckDBValue[] = []): Promise<Record<string, unknown>[]> {
    const reader = await this.#connection.runAndReadAll(sql, [...values]);
    return reader.getRowObjectsJS() as Record<string, unknown>[];
  }

  /** Chunk by chunk, each column as an array: for tables as large as the data. */
  async *columns(sql: string): AsyncGenerator<readonly (readonly unknown[])[]> {
    const result = await this.#connection.stream(sql);
    for (;;) {
      const chunk = await result.fetchChunk();
      if (chunk === null || chunk.rowCount === 0) return;
      yield chunk.getColumns();
    }
  }

  /** Numeric columns of a pass, in the order of rows; NaN for what was not measured. */
  async numbers(pass: number, names: readonly string[], rows: number): Promise<Float64Array[]> {
    const all = names.map(() => new Float64Array(rows).fill(Number.NaN));
    // Without NULLs a chunk is read several times faster.
    const columns = names.map((name) => `coalesce(${quote(name)}, 'nan'::double)`);
    for await (const [n, ...found] of this.columns(
      `select ${['n', ...columns].join(', ')} from pass_${pass}`,
    )) {
      for (const [k, values] of all.entries()) {
        const column = found[k]!;
        for (let i = 0; i < column.length; i++) values[n![i] as number] = column[i] as number;
      }
    }
    return all;
  }

  async setInfo(key: string, value: unknown): Promise<void> {
    await this.#connection.run('insert or replace into info values ($1, $2)', [key, JSON.stringify(value)]);
  }

  async info<T>(key: string): Promise<T | null> {
    const [row] = await this.query('select value from info where key = $1', [key]);
    return row === undefined ? null : (JSON.parse(row.value as string) as T);
  }

  async setFiles(files: readonly InputFile[]): Promise<void> {
    await this.clear('files');
    await this.append('files', [
      { type: 'integer', values: files.map((_, index) => index) },
      { type: 'text', values: files.map(({ path }) => path) },
      { type: 'text', values: files.map(({ sha256 }) => sha256) },
      { type: 'double', values: files.map(({ bytes }) => bytes) },
      { type: 'text', values: files.map(({ encoding }) => encoding) },
      { type: 'text', values: files.map(({ format }) => format) },
    ]);
  }

  async addUnreadable(rows: readonly UnreadableRow[]): Promise<void> {
    await this.append('unreadable', [
      { type: 'integer', values: rows.map(({ file }) => file) },
      { type: 'integer', values: rows.map(({ row }) => row) },
      { type: 'text', values: rows.map(({ reason }) => reason) },
      { type: 'text', values: rows.map(({ detail }) => detail) },
      { type: 'text', values: rows.map(({ raw }) => raw) },
    ]);
  }
}

export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function sliceOf(column: Column, start: number, end: number): DuckDBValue[] {
  const values: DuckDBValue[] = new Array(end - start);
  for (let i = start; i < end; i++) {
    const value = column.values[i] ?? null;
    // "Not measured" is NULL in the ledger, so that averages and comparisons leave it out.
    values[i - start] = Number.isNaN(value) ? null : value;
  }
  return values;
}

function noRun(folder: string): FactoryError {
  return new FactoryError({
    code: 'DATA_NO_RUN',
    message: `${folder}: expected the folder of a cleaning run, found no ${LEDGER_FILE}`,
    remedy: 'Give the folder that "tunesmith data clean --output_dir" wrote.',
  });
}

function unusable(path: string, cause: unknown): FactoryError {
  const found = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
  return new FactoryError({
    code: 'STORE_IO',
    message: `${path}: the ledger cannot be opened (${found})`,
    remedy:
      'Close other programs that have it open; if it is damaged, clean the data again into another folder.',
    cause,
  });
}
