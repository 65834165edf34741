// In: canonical rows, and a wish which of them get variants. Out: their numbers, in order.
import { FactoryError } from '#factory/errors.ts';
import type { CleanRow } from '#factory/records/clean-row.ts';
import { seededRandom } from '#factory/records/seeded-random.ts';

export interface ParentWish {
  /** `column=value` words; a row must fit one of them. `answer` is the answer. Empty: all rows. */
  select: readonly string[];
  /** Share of the rows that fit, 0 to 1. */
  share: number;
  seed: number;
  /** Only rows with one of these labels; null: all. */
  labels: ReadonlySet<string> | null;
}

export function answerOf(row: CleanRow): string {
  return (row.response[0]?.content ?? '').trim();
}

export function chooseParents(rows: readonly CleanRow[], wish: ParentWish): number[] {
  const tests = wish.select.map((word) => {
    const [, column, value] = /^([^=]+)=(.*)$/s.exec(word) ?? [];
    if (column === undefined)
      throw new FactoryError({
        code: 'ARGS_BAD_VALUE',
        message: `select: expected column=value, found ${JSON.stringify(word)}`,
        remedy: 'Write --select answer=refund, or the name and a value of another column.',
      });
    return (row: CleanRow) =>
      column === 'answer' ? answerOf(row) === value : String(row.extra[column] ?? '') === value;
  });
  const fitting = rows.flatMap((row, at) => {
    const isWanted = tests.length === 0 || tests.some((test) => test(row));
    return isWanted && (wish.labels === null || wish.labels.has(answerOf(row))) ? [at] : [];
  });
  if (wish.share >= 1) return fitting;
  const taken = Math.round(fitting.length * wish.share);
  return seededRandom(`augment/parents/${wish.seed}`)
    .shuffle(fitting)
    .slice(0, taken)
    .sort((a, b) => a - b);
}

/** Labels that a model gets wrong more often than it gets rows wrong on the whole. */
export function failingLabels(
  rows: readonly { label: string; isRight: boolean }[],
): { label: string; wrong: number; rows: number }[] {
  const counts = new Map<string, { wrong: number; rows: number }>();
  for (const { label, isRight } of rows) {
    const count = counts.get(label) ?? { wrong: 0, rows: 0 };
    counts.set(label, { wrong: count.wrong + (isRight ? 0 : 1), rows: count.rows + 1 });
  }
  const overall = rows.filter(({ isRight }) => !isRight).length / Math.max(1, rows.length);
  return [...counts]
    .map(([label, count]) => ({ label, ...count }))
    .filter(({ wrong, rows: n }) => wrong > 0 && wrong / n >= overall)
    .sort((a, b) => b.wrong / b.rows - a.wrong / a.rows || (a.label < b.label ? -1 : 1));
}
