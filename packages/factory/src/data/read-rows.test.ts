import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { FactoryError } from '#factory/errors.ts';
import { findFiles } from './find-files.ts';
import type { RawRow } from './raw-row.ts';
import { readRows } from './read-rows.ts';

const root = mkdtempSync(join(tmpdir(), 'tunesmith-rows-'));
afterAll(() => rmSync(root, { recursive: true }));
const fixture = (name: string) => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));

let files = 0;
function put(name: string, content: string | Uint8Array): string {
  const folder = join(root, String(files++));
  mkdirSync(folder);
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}
async function rowsOf(path: string): Promise<RawRow[]> {
  const rows: RawRow[] = [];
  for (const file of await findFiles(path)) for await (const row of readRows(file)) rows.push(row);
  return rows;
}
const read = (name: string, content: string | Uint8Array) => rowsOf(put(name, content));
/** Columns of good rows, reasons of bad ones. */
const plain = (rows: RawRow[]) => rows.map((row) => ('problem' in row ? row.problem.reason : row.columns));
async function failure(rows: Promise<unknown>): Promise<FactoryError> {
  const error = await rows.then(
    () => new Error('expected a failure'),
    (e: unknown) => e,
  );
  if (!(error instanceof FactoryError)) throw error;
  expect(error.remedy).not.toBe('');
  return error;
}

describe('JSON', () => {
  const values = [{ a: 'x', b: [1, { c: '}],[{"\\' }] }, { a: '好\n"' }, {}];

  test.each([
    ['array', 'r.json', JSON.stringify(values)],
    ['indented array', 'r.json', JSON.stringify(values, null, 2)],
    ['lines', 'r.jsonl', values.map((v) => JSON.stringify(v)).join('\n')],
    ['lines named .json', 'r.json', values.map((v) => `${JSON.stringify(v)}\r\n`).join('')],
    ['an array named .jsonl', 'r.jsonl', ` \n${JSON.stringify(values)}\n`],
    ['with a BOM', 'r.json', `\ufeff${JSON.stringify(values)}`],
    ['lines with a BOM', 'r.jsonl', `\ufeff${values.map((v) => JSON.stringify(v)).join('\n')}`],
    ['gzip', 'r.jsonl.gz', gzipSync(values.map((v) => JSON.stringify(v)).join('\n'))],
    ['gzip without its name', 'r.json', gzipSync(JSON.stringify(values))],
  ])('%s', async (_title, name, content) => {
    expect(plain(await read(name, content))).toEqual(values);
  });

  test('any rows survive being written and read, in both layouts', async () => {
    const row = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 5 });
    await fc.assert(
      fc.asyncProperty(fc.array(row, { maxLength: 5 }), fc.constantFrom(0, 2), async (rows, indent) => {
        const written = JSON.parse(JSON.stringify(rows));
        expect(plain(await read('r.json', JSON.stringify(rows, null, indent)))).toEqual(written);
        // Two or more lines: one line alone may look like a table of columns.
        const lines = [{}, ...rows].map((v) => JSON.stringify(v)).join('\n');
        expect(plain(await read('r.jsonl', lines))).toEqual([{}, ...written]);
      }),
      { numRuns: 60 },
    );
  });

  test('rows longer than a chunk of the file', async () => {
    const long = [{ a: '"\\'.repeat(400_000) }, { a: '好'.repeat(300_000) }];
    expect(plain(await read('r.json', JSON.stringify(long)))).toEqual(long);
    expect(plain(await read('r.jsonl', long.map((v) => JSON.stringify(v)).join('\n')))).toEqual(long);
  });

  test('row numbers are lines in JSON Lines, blank ones counted', async () => {
    const rows = await read('r.jsonl', '{"a":1}\n\n{"a":\nnull\n[1]\n{"a":NaN}\n');
    expect(rows.map((row) => row.row)).toEqual([0, 2, 3, 4, 5]);
    expect(plain(rows)).toEqual([{ a: 1 }, 'not_json', 'not_an_object', 'not_an_object', 'not_json']);
    expect(rows[4]).toMatchObject({ problem: { detail: 'NaN and Infinity are not JSON' } });
  });

  test('elements of an array that are no objects', async () => {
    expect(plain(await read('r.json', '[1, "a,]", null, [], {"a": 1}]'))).toEqual([
      ...['not_an_object', 'not_an_object', 'not_an_object', 'not_an_object'],
      { a: 1 },
    ]);
    expect(await read('r.json', ' [ ] ')).toEqual([]);
    expect(await read('r.json', '')).toEqual([]);
  });

  test.each([
    ['[{"a": 1}, {"a"', 'ends inside row 2'],
    ['[{"a": 1}\n,\n{"a" 2}]', 'row 2 (near line 2)'],
    ['[{"a": 1},]', 'row 2'],
    ['[{"a": 1}] []', 'after the end'],
    ['[{"a": 1}}', 'closes the array'],
    ['{\n "a": [1, 2]\n}', 'one object over several lines'],
    ['{"instruction": ["a", "b"], "output": ["c", "d"]}', 'one object of columns ("instruction", "output")'],
  ])('%j is a bad file', async (content, found) => {
    const error = await failure(read('r.json', content));
    expect(error.code).toBe('DATA_BAD_FILE');
    expect(error.message).toContain(found);
  });

  test('one conversation in one line is a row, not a table of columns', async () => {
    const row = { conversations: [{ from: 'human', value: 'a' }], tools: [{ name: 'f' }] };
    expect(plain(await read('r.json', JSON.stringify(row)))).toEqual([row]);
  });
});

describe('CSV and text', () => {
  test('quotes, line breaks in cells, BOM, short rows, long rows', async () => {
    const text = '\ufeffa,b\r\n"x, ""y""\nz",2\r\n\r\n1\r\n1,2,3\r\n5" nail,ok\r\n';
    const rows = await read('r.csv', text);
    expect(plain(rows)).toEqual([
      { a: 'x, "y"\nz', b: '2' },
      { a: '1', b: null },
      'bad_column_count',
      { a: '5" nail', b: 'ok' },
    ]);
    expect(rows.map((row) => row.row)).toEqual([0, 1, 2, 3]);
  });

  test('tabs, gzip, a column named __proto__', async () => {
    expect(plain(await read('r.tsv.gz', gzipSync('a\tb\n1,5\t2\n')))).toEqual([{ a: '1,5', b: '2' }]);
    const [row] = await read('r.csv', '__proto__,b\n1,2\n');
    expect(Object.keys((row as { columns: object }).columns)).toEqual(['__proto__', 'b']);
  });

  test('cells that pandas would take for missing stay text', async () => {
    expect(plain(await read('r.csv', 'a,b\nNA,null\n'))).toEqual([{ a: 'NA', b: 'null' }]);
  });

  test('a quote that never closes, a column named twice', async () => {
    const open = await failure(read('r.csv', 'a,b\n1,2\n3,"4\n5,6\n'));
    expect(open.message).toContain('after line 2 (row 2) is never closed');
    expect((await failure(read('r.csv', 'a,a\n1,2\n'))).message).toContain('"a" twice');
  });

  test('each line of a text file is a document, blank lines are none', async () => {
    const rows = await read('r.txt', 'one\r\n\n two \n \nthree');
    expect(plain(rows)).toEqual([{ text: 'one' }, { text: ' two ' }, { text: 'three' }]);
    expect(rows.map((row) => row.row)).toEqual([0, 2, 4]);
  });
});

describe('Parquet', () => {
  test.each(['none', 'snappy', 'gzip', 'brotli', 'zstd', 'lz4'])(
    '%s, two row groups, nulls, lists',
    async (codec) => {
      const rows = await rowsOf(fixture(`alpaca_${codec}.parquet`));
      expect(rows.map((row) => row.row)).toEqual([0, 1, 2, 3]);
      expect(plain(rows)).toMatchObject([
        { instruction: 'Greet.', input: null, output: 'Hello!', history: [] },
        {
          input: 'auf Deutsch',
          history: [
            ['Hi', 'Hello'],
            ['1+1?', '2'],
          ],
          id: 2n ** 53n + 1n,
        },
        { instruction: '你好吗？', output: '我很好。' },
        { output: null },
      ]);
    },
  );

  test('messages as a list of structs', async () => {
    const [first] = await rowsOf(fixture('sharegpt_nested.parquet'));
    expect(first).toMatchObject({
      columns: { conversations: { length: 5, 1: { from: 'human' } }, tools: expect.any(String) },
    });
  });
});

describe('files and folders', () => {
  test('a folder gives its data files by name and skips the rest', async () => {
    const folder = join(root, 'folder');
    mkdirSync(join(folder, 'sub'), { recursive: true });
    for (const name of ['b.jsonl', 'a.json', 'README.md', '.hidden.json', 'dataset_info.json']) {
      writeFileSync(join(folder, name), JSON.stringify({ from: name }));
    }
    expect(plain(await rowsOf(folder))).toEqual([{ from: 'a.json' }, { from: 'b.jsonl' }]);
    writeFileSync(join(folder, 'c.csv'), 'a\n1\n');
    expect((await failure(rowsOf(folder))).message).toContain('found json and csv');
  });

  test('splits are told apart by file names', async () => {
    const folder = join(root, 'splits');
    mkdirSync(folder);
    for (const name of ['train-00000-of-00001.parquet', 'test-00000-of-00001.parquet'])
      writeFileSync(join(folder, name), '');
    const found = await findFiles(folder, 'test');
    expect(found.map((file) => file.path)).toEqual([join(folder, 'test-00000-of-00001.parquet')]);
  });

  test.each([
    ['r.xls', '', 'DATA_UNSUPPORTED_FORMAT'],
    ['r.xlsx', '', 'DATA_BAD_FILE'],
    ['r.xlsx', 'PK\u0003\u0004 and nothing else', 'DATA_BAD_FILE'],
    ['r.arrow', '', 'DATA_UNSUPPORTED_FORMAT'],
    ['r', '', 'DATA_UNSUPPORTED_FORMAT'],
    ['r.parquet', '', 'DATA_BAD_FILE'],
    ['r.parquet', 'PAR1 this is not one PAR1', 'DATA_BAD_FILE'],
    ['r.json', new Uint8Array([0xff, 0xfe, 0x5b, 0]), 'DATA_BAD_FILE'],
    ['r.jsonl', Buffer.from('{"a": "caf\xe9 \x81"}', 'latin1'), 'DATA_BAD_FILE'],
    ['r.csv', new Uint8Array([97, 10, 0xc4, 0xe3, 0xba]), 'DATA_BAD_FILE'],
    ['r.txt', 'a\nb\0c', 'DATA_BAD_FILE'],
    ['r.json.gz', gzipSync('[{"a": 1}]').subarray(0, 15), 'DATA_BAD_FILE'],
    ['r.json.gz', new Uint8Array([0x1f, 0x8b, 1, 2, 3, 4]), 'DATA_BAD_FILE'],
  ])('%s is refused', async (name, content, code) => {
    expect((await failure(read(name, content))).code).toBe(code);
  });

  test('what is not there, and folders without data', async () => {
    expect((await failure(rowsOf(join(root, 'nothing.json')))).code).toBe('DATA_NOT_FOUND');
    mkdirSync(join(root, 'empty'));
    expect((await failure(rowsOf(join(root, 'empty')))).code).toBe('DATA_NOT_FOUND');
  });
});
