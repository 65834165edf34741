import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { utils, write } from '@e965/xlsx';
import { afterAll, describe, expect, it } from 'vitest';
import { findFiles } from './find-files.ts';
import { readRows } from './read-rows.ts';
import { encodingOf } from './text-stream.ts';

const root = mkdtempSync(join(tmpdir(), 'encodings-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let counter = 0;
function file(content: Uint8Array | string, name: string): string {
  const path = join(root, `${counter++}-${name}`);
  writeFileSync(path, content);
  return path;
}

async function rows(path: string) {
  const found: unknown[] = [];
  for (const one of await findFiles(path))
    for await (const raw of readRows(one)) found.push('problem' in raw ? raw.problem.reason : raw.columns);
  return found;
}

const CHINESE = '问题,回答\n今天天气怎么样？,今天是晴天，最高气温二十五度。\n你好,您好，很高兴为您服务！\n';
const EXPECTED = [
  { 问题: '今天天气怎么样？', 回答: '今天是晴天，最高气温二十五度。' },
  { 问题: '你好', 回答: '您好，很高兴为您服务！' },
];
/** Node encodes UTF-8 and UTF-16 only; these bytes were written by Python's codecs. */
const GB18030 = Buffer.from(
  'zsrM4iy72LTwCr3xzOzM7Mb41PXDtNH5o78svfHM7MrHx+fM7KOs1+6438b4zsK2/squzuW2yKGjCg==',
  'base64',
);
const utf16 = (text: string, isBig: boolean) => {
  const bytes = Buffer.from(text, 'utf16le');
  return isBig ? bytes.swap16() : bytes;
};

describe('encodings', () => {
  it('reads UTF-8 and UTF-16, with a byte order mark or without', async () => {
    for (const [bytes, encoding] of [
      [Buffer.from(CHINESE), 'utf-8'],
      [Buffer.from(`\ufeff${CHINESE}`), 'utf-8'],
      [utf16(`\ufeff${CHINESE}`, false), 'utf-16le'],
      [utf16(`\ufeff${CHINESE}`, true), 'utf-16be'],
    ] as const) {
      const path = file(bytes, 'rows.csv');
      expect(await encodingOf(path)).toBe(encoding);
      expect(await rows(path)).toEqual(EXPECTED);
    }
    const latin = file(utf16('a,b\nplain words,more of them\n', false), 'rows.csv');
    expect(await encodingOf(latin)).toBe('utf-16le');
  });

  it('tells GB18030, Big5 and Windows-1252 apart', async () => {
    const found = JSON.parse(readFileSync(new URL('./fixtures/encodings.json', import.meta.url), 'utf8')) as {
      encoding: string;
      text: string;
      base64: string;
    }[];
    for (const { encoding, text, base64 } of found) {
      const path = file(Buffer.from(base64, 'base64'), 'rows.txt');
      expect([text, await encodingOf(path)]).toEqual([text, encoding]);
      expect(await rows(path)).toEqual([{ text }]);
    }
    expect(found.length).toBeGreaterThan(20);
  });

  it('judges by the first bytes that are not ASCII, wherever they stand', async () => {
    const ascii = 'a,b\n'.repeat(200_000);
    const path = file(Buffer.concat([Buffer.from(ascii), GB18030]), 'rows.csv');
    expect(await encodingOf(path)).toBe('gb18030');
  });
});

describe('archives and workbooks', () => {
  it('reads zstd and gzip', async () => {
    const text = '{"instruction":"q","output":"a"}\n';
    for (const [bytes, name] of [
      [zstdCompressSync(text), 'rows.jsonl.zst'],
      [gzipSync(text), 'rows.jsonl.gz'],
    ] as const)
      expect(await rows(file(bytes, name))).toEqual([{ instruction: 'q', output: 'a' }]);
    const cut = zstdCompressSync(text.repeat(1000)).subarray(0, 20);
    await expect(rows(file(cut, 'rows.jsonl.zst'))).rejects.toMatchObject({ code: 'DATA_BAD_FILE' });
  });

  it('reads every sheet of a workbook with its own header', async () => {
    const book = utils.book_new();
    const first = [
      ['question', 'answer', 'n'],
      ['你好', 'hi', 1.5],
      [null, 'only an answer', true],
    ];
    utils.book_append_sheet(book, utils.aoa_to_sheet(first), 'one');
    utils.book_append_sheet(book, utils.aoa_to_sheet([['q'], ['x', 'beyond the header']]), 'two');
    const path = file(write(book, { type: 'buffer', bookType: 'xlsx' }) as Buffer, 'rows.xlsx');
    expect(await rows(path)).toEqual([
      { question: '你好', answer: 'hi', n: '1.5' },
      { question: null, answer: 'only an answer', n: 'true' },
      'bad_column_count',
    ]);
  });
});
