// In: records with the same keys. Out: the text of a JSON, JSON Lines, CSV or TSV file, piece by piece. Files that this
// package reads back with the same content; nothing is opened here.

export type TextContainer = 'jsonl' | 'json' | 'csv' | 'tsv';

export function writeRecord(
  record: Record<string, unknown>,
  container: TextContainer,
  index: number,
): string {
  switch (container) {
    case 'jsonl':
      return `${JSON.stringify(record)}\n`;
    case 'json':
      return `${index === 0 ? '[\n' : ',\n'}${JSON.stringify(record)}`;
    case 'csv':
    case 'tsv': {
      const delimiter = container === 'csv' ? ',' : '\t';
      const line = (cells: unknown[]) => `${cells.map((cell) => cellText(cell)).join(delimiter)}\n`;
      return `${index === 0 ? line(Object.keys(record)) : ''}${line(Object.values(record))}`;
    }
  }
}

/** What comes after the last of `count` records. */
export function endRecords(container: TextContainer, count: number): string {
  return container === 'json' ? (count === 0 ? '[]\n' : '\n]\n') : '';
}

/** Every cell is quoted, so that no text is taken for structure; lists and objects are JSON text. */
function cellText(value: unknown): string {
  if (value === null || value === undefined) return '';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return `"${text.replaceAll('"', '""')}"`;
}
