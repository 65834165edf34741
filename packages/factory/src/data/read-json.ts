// In: a file of JSON: one array of rows, or one object per line. The first character decides, not the name.
// Out: rows, streamed. A broken line is a bad row; a broken array is a broken file, for its rest cannot be trusted.

import { badFile, MAX_ROW_CHARS, rowTooLong } from './bad-file.ts';
import type { RawRow } from './raw-row.ts';
import { clip, listNames } from './suggest-name.ts';
import { readLines, readTextChunks } from './text-stream.ts';

export async function* readJson(path: string): AsyncGenerator<RawRow> {
  if ((await firstCharacter(path)) === '[') {
    yield* readArray(path);
  } else {
    yield* readJsonLines(path);
  }
}

async function firstCharacter(path: string): Promise<string> {
  for await (const chunk of readTextChunks(path)) {
    const text = chunk.trimStart();
    if (text.length > 0) return text[0] as string;
  }
  return '';
}

async function* readJsonLines(path: string): AsyncGenerator<RawRow> {
  let only: { row: number; value: unknown } | null = null;
  let count = 0;
  for await (const { line, text } of readLines(path)) {
    if (text.trim() === '') continue;
    count++;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (cause) {
      if (count === 1 && /\.json(\.gz)?$/i.test(path))
        throw notRows(path, 'one object over several lines', cause);
      if (only !== null) yield toRow(only.row, only.value);
      only = null;
      yield { row: line, problem: { reason: 'not_json', detail: jsonFailure(text, cause) } };
      continue;
    }
    // The first row is held back until a second one shows that the file is not one object of columns.
    if (count === 1) {
      only = { row: line, value };
      continue;
    }
    if (only !== null) yield toRow(only.row, only.value);
    only = null;
    yield toRow(line, value);
  }
  if (only === null) return;
  if (isColumnTable(only.value)) {
    throw notRows(path, `one object of columns (${listNames(Object.keys(only.value as object))})`);
  }
  yield toRow(only.row, only.value);
}

/** Splits the top-level array by counting brackets outside strings, so that no more than one row is in memory. */
async function* readArray(path: string): AsyncGenerator<RawRow> {
  let row = 0;
  let line = 1;
  let rowLine = 1;
  let depth = 0;
  let inString = false;
  let escaped = false;
  let pending = '';
  let closed = false;
  for await (const chunk of readTextChunks(path)) {
    let start = 0;
    for (let i = 0; i < chunk.length; i++) {
      const c = chunk.charCodeAt(i);
      if (c === 10) line++;
      if (inString) {
        if (escaped) escaped = false;
        else if (c === 92) escaped = true;
        else if (c === 34) inString = false;
        continue;
      }
      if (closed && c > 32) {
        throw badFile(
          path,
          `line ${line} has text after the end of the array`,
          'Keep one array of rows in the file, or write one object per line without brackets.',
        );
      }
      if (c === 34) {
        inString = true;
      } else if (c === 91 || c === 123) {
        depth++;
        if (depth === 1) start = i + 1;
      } else if (c === 93 || c === 125 || (c === 44 && depth === 1)) {
        if (c !== 44) depth--;
        if (depth === 0 || c === 44) {
          const text = pending + chunk.slice(start, i);
          pending = '';
          start = i + 1;
          closed = depth === 0;
          if (closed && c === 125) throw unbalanced(path, line);
          const isEmptyArray = closed && row === 0 && text.trim() === '';
          if (!isEmptyArray) yield toRow(row, parseElement(path, text, row, rowLine));
          row++;
          rowLine = line;
        }
      }
    }
    if (!closed) pending += chunk.slice(start);
    if (pending.length > MAX_ROW_CHARS) throw rowTooLong(path, row);
  }
  if (!closed) {
    throw badFile(
      path,
      `the file ends inside row ${row + 1} (which starts near line ${rowLine}): the closing "]" is missing`,
      'Write or download the file again: it is cut off.',
    );
  }
}

function parseElement(path: string, text: string, row: number, line: number): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw badFile(
      path,
      `row ${row + 1} (near line ${line}) is not valid JSON: ${jsonFailure(text, cause)}`,
      'Correct that row, or write one object per line so that bad rows can be told apart.',
      cause,
    );
  }
}

function unbalanced(path: string, line: number) {
  return badFile(
    path,
    `line ${line} closes the array of rows with "}"`,
    'Correct the brackets near that line.',
  );
}

function toRow(row: number, value: unknown): RawRow {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return { row, columns: value as Record<string, unknown> };
  }
  const found = value === null ? 'null' : Array.isArray(value) ? 'a list' : `a ${typeof value}`;
  return { row, problem: { reason: 'not_an_object', detail: `expected an object, found ${found}` } };
}

/** `{"a": ["x", ...], "b": ["y", ...]}`: what pandas writes with orient="list". */
function isColumnTable(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const columns = Object.values(value);
  const length = (columns[0] as unknown[] | undefined)?.length;
  return (
    columns.length >= 2 &&
    columns.every(
      (c) => Array.isArray(c) && c.length === length && c.every((cell) => typeof cell !== 'object'),
    )
  );
}

function notRows(path: string, found: string, cause?: unknown) {
  return badFile(
    path,
    `expected an array of rows or one object per line, found ${found}`,
    'Write the rows as a JSON array, such as [{"instruction": "...", "output": "..."}].',
    cause,
  );
}

function jsonFailure(text: string, cause: unknown): string {
  if (/[:[,]\s*-?(NaN|Infinity)\b/.test(text.slice(0, 10_000))) return 'NaN and Infinity are not JSON';
  return clip((cause as Error).message, 160);
}
