// In: counts per reason. Out: lines of a table for the terminal, the reasons that held at least once.
import type { ReasonCount } from '#factory/records/ledger.ts';

export function reasonTable(reasons: readonly ReasonCount[]): string[] {
  const held = reasons.filter(({ rows }) => rows > 0);
  if (held.length === 0) return [];
  const cells = [
    ['step', 'reason', 'verdict', 'rows', 'first', 'only this'],
    ...held.map(({ step, reason, verdict, rows, first, only }) => {
      const isDrop = verdict === 'drop' || verdict === 'merge';
      return [step, reason, verdict, String(rows), isDrop ? String(first) : '', isDrop ? String(only) : ''];
    }),
  ];
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  return cells.map((row) =>
    `  ${row.map((cell, column) => (column < 3 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join('  ')}`.trimEnd(),
  );
}
