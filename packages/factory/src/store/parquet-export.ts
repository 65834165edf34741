// In: records, and which of their columns hold lists. Out: a Parquet file, whole or not there. The bytes depend on the records
// and on the version of the writer alone.
import { rename, rm } from 'node:fs/promises';
import { DuckDBDataChunk, DuckDBInstance, VARCHAR } from '@duckdb/node-api';
import { temporaryName } from './atomic-file.ts';
import { quote } from './clean-ledger.ts';
import { diskError } from './disk-error.ts';

const CHUNK_ROWS = 2048;

export async function copyRecords(
  path: string,
  columns: Readonly<Record<string, string>>,
  records: AsyncIterable<Record<string, unknown>>,
): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1', memory_limit: '512MB' });
  const temporary = temporaryName(path);
  try {
    const connection = await instance.connect();
    let names: string[] = [];
    const typed = new Map<string, unknown>();
    let pending: Record<string, unknown>[] = [];
    const flush = async () => {
      if (pending.length === 0) return;
      const chunk = DuckDBDataChunk.create(names.map(() => VARCHAR));
      chunk.setColumns(names.map((name) => pending.map((record) => asText(record[name]))));
      const appender = await connection.createAppender('records');
      appender.appendDataChunk(chunk);
      appender.closeSync();
      pending = [];
    };
    for await (const record of records) {
      if (names.length === 0) {
        names = Object.keys(record);
        await connection.run(
          `create table records (${names.map((name) => `${quote(name)} varchar`).join(', ')})`,
        );
      }
      for (const name of names)
        if (typeof record[name] !== 'string' && !typed.has(name)) typed.set(name, record[name]);
      pending.push(record);
      if (pending.length === CHUNK_ROWS) await flush();
    }
    await flush();
    const selected = names.map((name) => `${shapeOf(name, columns, typed)} as ${quote(name)}`);
    await connection.run(
      `copy (select ${selected.join(', ')} from records) to '${temporary.replaceAll("'", "''")}' (format parquet, compression zstd)`,
    );
    connection.closeSync();
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw diskError(error, 'write', path);
  } finally {
    instance.closeSync();
  }
}

function asText(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Texts travel as they are; lists and objects of the layouts become nested columns, anything else stays JSON text. */
function shapeOf(
  name: string,
  columns: Readonly<Record<string, string>>,
  typed: ReadonlyMap<string, unknown>,
): string {
  const role = Object.entries(columns).find(([, column]) => column === name)?.[0];
  const value = typed.get(name);
  if (role === 'kto_tag') return `${quote(name)}::boolean`;
  if (role === 'history') return `from_json(${quote(name)}, '[["VARCHAR"]]')`;
  if (role === 'messages' && Array.isArray(value))
    return `from_json(${quote(name)}, '[${objectShape(value[0])}]')`;
  if ((role === 'chosen' || role === 'rejected') && typeof value === 'object' && value !== null)
    return `from_json(${quote(name)}, '${objectShape(value)}')`;
  return quote(name);
}

function objectShape(value: unknown): string {
  return JSON.stringify(Object.fromEntries(Object.keys(value as object).map((key) => [key, 'VARCHAR'])));
}
