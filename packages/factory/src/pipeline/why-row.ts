// In: a run and one of its rows, by id or place. Out: everything that the ledger knows about it: each score beside its
// threshold, each edit, the verdict, and the rows that it is tied to.
import type { Recipe } from '#factory/data/clean-recipe.ts';
import { FactoryError } from '#factory/errors.ts';
import type { LedgerEntry } from '#factory/records/ledger.ts';
import type { CleanLedger } from '#factory/store/clean-ledger.ts';
import { passesOf } from './clean-passes.ts';

export interface ScoreLine {
  step: string;
  score: string;
  value: number | string | null;
  /** The rules that look at this score. */
  rules: { reason: string; when: 'below' | 'above'; threshold: number | null; fires: boolean }[];
}

export interface RowStory {
  id: string;
  file: string;
  /** From 1. */
  line: number;
  kept: boolean;
  entries: LedgerEntry[];
  scores: ScoreLine[];
  /** Rows that steps tie this one to, such as its duplicates. */
  tied: { step: string; row: string; value: number }[];
  original: string;
  text: string;
}

const MAX_TIED = 50;

export async function whyRow(ledger: CleanLedger, recipe: Recipe, wanted: string): Promise<RowStory> {
  const { n, id, file, line, original, text } = await findRow(ledger, wanted);
  const [decision] = await ledger.query(
    `select r.step, r.reason, r.verdict, d.score, d.threshold, s.id as survivor from decisions d
      left join rules r using (rule) left join rows s on s.n = d.survivor where d.n = $1`,
    [n],
  );
  const edits = await ledger.query(
    'select step, reason, count, detail, before, after from edits where n = $1 order by rowid',
    [n],
  );
  const flags = await ledger.query(
    'select r.step, r.reason, f.score, f.threshold from flags f join rules r using (rule) where f.n = $1',
    [n],
  );
  const entry = (fields: Partial<LedgerEntry>): LedgerEntry => ({
    ...{ row: id, step: '', verdict: 'keep', reason: '', score: null, threshold: null, detail: '' },
    ...{ before: '', after: '', parents: [] },
    ...fields,
  });
  const entries = [
    ...edits.map(({ count, detail, ...edit }) => {
      const times = count === 1 ? '' : `${count} times`;
      return entry({ ...edit, verdict: 'edit', detail: [times, detail].filter(Boolean).join(', ') });
    }),
    ...flags.map((flag) => entry({ ...flag, verdict: 'keep' })),
  ];
  const kept = decision === undefined || decision.step === null;
  if (!kept) {
    const { survivor, ...fields } = decision;
    entries.push(entry({ ...fields, parents: survivor === null ? [] : [survivor as string] }));
  }
  const tied = await ledger.query(
    `select p.step, r.id as row, p.value from pairs p join rows r on r.n = case when p.a = $1 then p.b else p.a end
      where p.a = $1 or p.b = $1 order by p.value desc limit ${MAX_TIED}`,
    [n],
  );
  const scores = await scoreLines(ledger, recipe, n);
  return {
    ...{ id, file, line: line + 1, kept, entries, scores },
    tied: tied as unknown as RowStory['tied'],
    ...{ original, text },
  };
}

interface FoundRow {
  n: number;
  id: string;
  file: string;
  line: number;
  original: string;
  text: string;
}

async function findRow(ledger: CleanLedger, wanted: string): Promise<FoundRow> {
  const place = /^(.+):(\d+)$/.exec(wanted);
  const where = place === null ? 'c.id like $1' : '(f.path = $1 or f.path like $2) and c.line = $3';
  const values = place === null ? [`${wanted}%`] : [place[1]!, `%/${place[1]}`, Number(place[2]) - 1];
  const sql = `select n, c.id, f.path as file, c.line, c.original, c.text from cleaned c join files f using (file) where ${where} limit 2`;
  const found = /^[0-9a-f]{4,16}$/.test(wanted) || place !== null ? await ledger.query(sql, values) : [];
  if (found.length === 1) return found[0] as unknown as FoundRow;
  throw new FactoryError({
    code: 'DATA_UNKNOWN_ROW',
    message: `expected the id of a row (at least 4 of its 16 hex digits) or FILE:LINE, found "${wanted}", which fits ${found.length === 0 ? 'no row' : 'several rows'}`,
    remedy: 'Take the id from the report, or export with --ids.',
  });
}

async function scoreLines(ledger: CleanLedger, recipe: Recipe, n: number): Promise<ScoreLine[]> {
  const lines: ScoreLine[] = [];
  for (const [number, pass] of passesOf(recipe.steps).entries()) {
    const [measured = {}] = await ledger.query(`select * from pass_${number} where n = $1`, [n]);
    for (const { step, options } of pass.steps) {
      for (const score of [...Object.keys(step.scores), ...Object.keys(step.labels ?? {})]) {
        const value = (measured[`${step.name}.${score}`] ?? null) as number | string | null;
        const rules = Object.entries(step.reasons).flatMap(([reason, { rule }]) => {
          if (rule?.score !== score) return [];
          const threshold = options[rule.option] as number | null;
          const fires =
            typeof value === 'number' &&
            threshold !== null &&
            (rule.when === 'below' ? value < threshold : value > threshold);
          return [{ reason, when: rule.when, threshold, fires }];
        });
        lines.push({ step: step.name, score, value, rules });
      }
    }
  }
  return lines;
}
