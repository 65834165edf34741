// In: totals, notes and issues of loaded data sets. Out: a short text for people, and JSON Lines for machines.
// Nothing is printed here.
import type { RowIssue } from '#factory/records/message.ts';
import type { DatasetNote } from './check-content.ts';
import type { DatasetTotals } from './load-one.ts';
import { ROW_REASONS, type RowReason } from './row-reasons.ts';
import { clip } from './suggest-name.ts';

const REASONS_SHOWN = 5;
const EXAMPLES_SHOWN = 2;

/** A table of totals, the notes, and the commonest reasons with their first rows. Rows are counted from 1 here. */
export function reportRows(data: {
  totals: DatasetTotals[];
  notes: DatasetNote[];
  issues: RowIssue[];
}): string {
  const parts = [totalsTable(data.totals)];
  for (const { dataset, text } of data.notes) parts.push(`${dataset}: ${text}`);
  for (const kind of ['dropped', 'repaired', 'truncated'] as const) {
    const { text } = summariseIssues(data.issues, kind);
    if (text !== '') parts.push(`${kind}:\n${text}`);
  }
  return parts.join('\n');
}

/** Writes every issue as one line of JSON (`row` counts from zero, as in the records). */
export async function writeIssues(
  issues: readonly RowIssue[],
  write: (line: string) => void | Promise<void>,
): Promise<void> {
  for (const { kind, reason, source, field, detail } of issues) {
    await write(`${JSON.stringify({ kind, reason, ...source, field: field ?? null, detail })}\n`);
  }
}

/** The commonest reasons of one kind, most frequent first, and the remedy of the first. */
export function summariseIssues(
  issues: readonly RowIssue[],
  kind: RowIssue['kind'],
): { text: string; remedy: string | null } {
  const byReason = new Map<string, RowIssue[]>();
  for (const issue of issues) {
    if (issue.kind !== kind) continue;
    const group = byReason.get(issue.reason);
    if (group === undefined) byReason.set(issue.reason, [issue]);
    else group.push(issue);
  }
  const groups = [...byReason].sort((a, b) => b[1].length - a[1].length);
  const lines: string[] = [];
  for (const [reason, group] of groups.slice(0, REASONS_SHOWN)) {
    const known = isKnown(reason) ? `: ${ROW_REASONS[reason].text}` : '';
    lines.push(`  ${group.length} × ${reason}${known}`);
    for (const issue of group.slice(0, EXAMPLES_SHOWN)) lines.push(`    ${describeIssue(issue)}`);
  }
  if (groups.length > REASONS_SHOWN) lines.push(`  and ${groups.length - REASONS_SHOWN} more reasons`);
  const first = groups[0]?.[0];
  const remedy = first !== undefined && isKnown(first) ? ROW_REASONS[first].remedy : null;
  return { text: lines.join('\n'), remedy };
}

function describeIssue({ source, field, detail }: RowIssue): string {
  const place = `${source.file} row ${source.row + 1}`;
  return `${place}${field === undefined ? '' : `, ${clip(field, 60)}`}: ${clip(detail, 160)}`;
}

function isKnown(reason: string): reason is RowReason {
  return Object.hasOwn(ROW_REASONS, reason);
}

function totalsTable(totals: readonly DatasetTotals[]): string {
  const header = ['data set', 'use', 'read', 'used', 'repaired', 'dropped', 'duplicate'];
  const rows = totals.map((t) => [
    clip(t.dataset, 40),
    t.use,
    ...[t.read, t.used, t.repaired, t.dropped, t.duplicate].map(String),
  ]);
  const widths = header.map((name, i) => Math.max(name.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: string[]) =>
    cells
      .map((text, i) => (i < 2 ? text.padEnd(widths[i]!) : text.padStart(widths[i]!)))
      .join('  ')
      .trimEnd();
  return [header, ...rows].map(line).join('\n');
}
