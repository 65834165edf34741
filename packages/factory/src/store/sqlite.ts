// In: the path of an SQLite file and the versions of its tables. Out: an open database with Kysely over it, at the newest
// version. Several processes may have it open; one that is newer than this program is refused.
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { Kysely, SqliteDialect } from 'kysely';
import { FactoryError } from '#factory/errors.ts';
import { diskError } from './disk-error.ts';

/** SQL that brings the tables from one version to the next. */
export type Migration = readonly string[];

export interface OpenDatabase<Tables> {
  db: Kysely<Tables>;
  /** For statements that are prepared once. */
  raw: DatabaseSync;
  close(): Promise<void>;
}

export interface DatabaseOptions {
  /** How long another process may hold the lock. */
  busyMs: number;
  readOnly?: boolean;
}

/** @throws FactoryError STORE_LOCKED, STORE_DISK_FULL, STORE_UNWRITABLE, STORE_IO */
export function openDatabase<Tables>(
  path: string,
  migrations: readonly Migration[],
  { busyMs, readOnly = false }: DatabaseOptions,
): OpenDatabase<Tables> {
  let raw: DatabaseSync;
  try {
    raw = new DatabaseSync(path, { timeout: busyMs, readOnly });
  } catch (error) {
    throw databaseError(error, 'open', path);
  }
  try {
    if (!readOnly)
      raw.exec('pragma journal_mode = wal; pragma synchronous = normal; pragma foreign_keys = on');
    migrate(raw, path, migrations, readOnly);
  } catch (error) {
    raw.close();
    throw databaseError(error, 'open', path);
  }
  const db = new Kysely<Tables>({ dialect: new SqliteDialect({ database: asKyselyTakesIt(raw) }) });
  return {
    db,
    raw,
    async close() {
      await db.destroy();
      if (raw.isOpen) raw.close();
    },
  };
}

function versionOf(raw: DatabaseSync): number {
  return Number(raw.prepare('pragma user_version').get()?.user_version);
}

function migrate(raw: DatabaseSync, path: string, migrations: readonly Migration[], readOnly: boolean): void {
  const found = versionOf(raw);
  if (found > migrations.length || (readOnly && found < migrations.length))
    throw new FactoryError({
      code: 'STORE_IO',
      message: `${path}: expected tables of version ${migrations.length}, found version ${found}`,
      remedy:
        found > migrations.length
          ? 'Update tunesmith: a newer one has written this file.'
          : 'Let the program that writes this file be started once by this version.',
    });
  if (found === migrations.length) return;
  // Another process may be at the same: the lock decides, and who comes second finds the work done.
  raw.exec('begin immediate');
  try {
    for (const statements of migrations.slice(versionOf(raw))) for (const sql of statements) raw.exec(sql);
    raw.exec(`pragma user_version = ${migrations.length}`);
    raw.exec('commit');
  } catch (error) {
    raw.exec('rollback');
    throw error;
  }
}

/** Kysely's dialect is written for better-sqlite3, whose statements say whether they give rows. */
function asKyselyTakesIt(raw: DatabaseSync) {
  const values = (parameters: readonly unknown[]) => parameters as SQLInputValue[];
  return {
    close: () => raw.close(),
    prepare(sql: string) {
      const statement = raw.prepare(sql);
      return {
        reader: statement.columns().length > 0,
        all: (parameters: readonly unknown[]) => statement.all(...values(parameters)),
        run: (parameters: readonly unknown[]) => statement.run(...values(parameters)),
        iterate: (parameters: readonly unknown[]) =>
          statement.iterate(...values(parameters)) as IterableIterator<unknown>,
      };
    },
  };
}

/** Result codes of SQLite; extended ones have the plain one in their low byte. */
const BUSY = 5;
const READONLY = 8;
const IOERR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const NOTADB = 26;

export function databaseError(error: unknown, doing: string, path: string): FactoryError {
  if (error instanceof FactoryError) return error;
  const result = (error as { errcode?: unknown } | null)?.errcode;
  const code = typeof result === 'number' ? result & 0xff : null;
  if (code === null) return diskError(error, doing, path);
  const found = error instanceof Error ? error.message : String(error);
  const make = (which: FactoryError['code'], remedy: string) =>
    new FactoryError({
      code: which,
      message: `could not ${doing} ${path}: ${found}`,
      remedy,
      details: { path, result },
      cause: error,
    });
  switch (code) {
    case FULL:
      return make('STORE_DISK_FULL', 'Free disk space, or put the file on a larger disk.');
    case BUSY:
      return make('STORE_LOCKED', 'Close the program that holds the file, or wait until it has done.');
    case READONLY:
    case CANTOPEN:
      return make('STORE_UNWRITABLE', 'Choose a folder that exists and may be written to.');
    case CORRUPT:
    case NOTADB:
      return make('STORE_IO', 'Move the file away: it is damaged or no database; a new one is then made.');
    case IOERR:
      return make('STORE_IO', 'Check that the disk is there and healthy.');
    default:
      return make('STORE_IO', 'Report this with the message, if the file itself is in order.');
  }
}
