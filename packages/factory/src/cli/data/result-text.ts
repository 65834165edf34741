// In: a finished cleaning run. Out: its counts, reasons and exports as text.
import { join } from 'node:path';
import type { FinishedRun } from '#factory/pipeline/open-run.ts';
import { exportText } from './export.ts';
import { reasonTable } from './reason-table.ts';

export function resultText({ outputDir, counts, reasons, exported }: FinishedRun): string {
  const { read, unreadable, kept, dropped, edited } = counts;
  const share = read === 0 ? '' : ` (${((100 * kept) / read).toFixed(1)} %)`;
  return [
    `rows read ${read}, unreadable ${unreadable}, kept ${kept}${share}, dropped ${dropped}, edited ${edited}`,
    ...reasonTable(reasons),
    `${join(outputDir, 'report.html')} shows what was done; ${join(outputDir, 'ledger.duckdb')} has every row and why`,
    ...exportText(join(outputDir, 'export'), exported),
  ].join('\n');
}
