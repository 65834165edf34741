// In: a run with verdicts. Out: report.html in its folder: one file with everything in it, in English and Chinese.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Recipe } from '#factory/data/clean-recipe.ts';
import { writeAtomic } from '#factory/store/atomic-file.ts';
import type { CleanLedger } from '#factory/store/clean-ledger.ts';
import { gatherReport } from './gather.ts';

export const REPORT_FILE = 'report.html';

export async function writeReport(folder: string, ledger: CleanLedger, recipe: Recipe): Promise<string> {
  const report = await gatherReport(ledger, recipe);
  const part = (name: string) => readFileSync(new URL(`./${name}`, import.meta.url), 'utf8');
  // Rows are hostile text: "<" must not end the script element that holds them.
  const json = JSON.stringify(report).replaceAll('<', '\\u003c');
  const page = part('page.html')
    .replace('/* STYLE */', () => part('page.css'))
    .replace('/* SCRIPT */', () => `${part('page-words.js')}${part('page.js')}`)
    .replace('"REPORT"', () => json);
  const path = join(folder, REPORT_FILE);
  await writeAtomic(path, page);
  return path;
}
