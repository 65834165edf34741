// In: rows of cells. Out: text in columns: the first left-aligned, the others right-aligned.

export function columns(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => widthOf(row[i]))));
  const pad = (cell: string, width: number) => ' '.repeat(Math.max(0, width - widthOf(cell)));
  return rows
    .map((row) =>
      row.map((cell, i) => (i === 0 ? cell + pad(cell, widths[i]) : pad(cell, widths[i]) + cell)).join('  '),
    )
    .map((text) => `${text.trimEnd()}\n`)
    .join('');
}

/** Cells of a terminal: characters of East Asian scripts take two. */
export function widthOf(text: string): number {
  let width = 0;
  for (const character of text)
    width += /[\u2e80-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff00-\uff60]/.test(character) ? 2 : 1;
  return width;
}
