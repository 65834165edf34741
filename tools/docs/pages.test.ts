// The reference pages in docs/reference are what the code says today, and tables in guides what the committed results say.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { ENGINE_ERROR_CODES } from '../../packages/engine/src/error-codes.ts';
import { ARG_TABLE } from '../../packages/factory/src/arguments/table.ts';
import { ERROR_CODES } from '../../packages/factory/src/error-codes.ts';
import { referencePages } from './pages.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const pages = referencePages();

test('nothing is left for the generator to write', () => {
  const { stdout, status } = spawnSync(process.execPath, [join(root, 'tools/docs/generate.ts'), '--check'], {
    encoding: 'utf8',
  });
  expect([stdout, status]).toEqual(['', 0]);
});

describe('reference pages', () => {
  test.each(Object.keys(pages))('%s is up to date (node tools/docs/generate.ts writes it)', (path) => {
    expect(readFileSync(join(root, path), 'utf8')).toBe(pages[path]);
  });

  test('name every error code and every key once, in tables of even width', () => {
    const errors = pages['docs/reference/errors.md'];
    for (const code of [...Object.keys(ERROR_CODES), ...Object.keys(ENGINE_ERROR_CODES)]) {
      expect(errors.split(`| \`${code}\` |`)).toHaveLength(2);
    }
    const keys = pages['docs/reference/train-arguments.md'];
    for (const name of ARG_TABLE.keys()) expect(keys).toContain(`| \`${name}\` |`);
    for (const page of Object.values(pages)) {
      let width = 0;
      for (const line of page.split('\n')) {
        const cells = line.startsWith('|') ? line.split(/(?<!\\)\|/).length : 0;
        if (cells > 0 && width > 0) expect(cells, line).toBe(width);
        width = cells;
      }
    }
  });
});
