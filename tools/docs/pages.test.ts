// The reference pages in docs/reference are what the code says today, and tables in guides what the committed results say.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { ENGINE_ERROR_CODES } from '../../packages/engine/src/error-codes.ts';
import { ARG_TABLE } from '../../packages/factory/src/arguments/table.ts';
import { ERROR_CODES } from '../../packages/factory/src/error-codes.ts';
import { memoryPages, withTables } from './memory-tables.ts';
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

describe('guides', () => {
  test.each(Object.entries(memoryPages(root)))('the tables of %s are up to date', (path, page) => {
    expect(readFileSync(join(root, path), 'utf8')).toBe(page);
  });

  test('have rows for what was measured only', () => {
    const runs = [
      { shape: 'a', method: 'lora', tokens: 128, planned_gb: 1.049, measured_gb: 1, ratio: 1.049 },
    ];
    const limits = [{ shape: 'M', method: 'qlora-4', limit_gb: 8 }];
    const marks = ['classic', 'memory', 'large']
      .map((name) => `<!-- ${name} -->\n\n<!-- /${name} -->\n`)
      .join('');
    const made = withTables(marks, { runs, limits, classic: [] }, 'en');
    expect(made).toContain('| LoRA | `a` | 1.05 | 1.00 | 1.05 |');
    expect(made).toContain('| M | QLoRA 4-bit | 1,024 | ≤ 8 | – | – | – |');
    expect(withTables(made, { runs, limits, classic: [] }, 'en')).toBe(made);
    expect(() => withTables('', { runs, limits, classic: [] }, 'en')).toThrow(/no marks <!-- classic -->/);
  });
});
