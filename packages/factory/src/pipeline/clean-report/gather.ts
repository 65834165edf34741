// In: a run with verdicts. Out: what its report page shows. Samples are chosen by row id, which is a hash, so that they are
// spread over the data and the same in every report of the same run.
import type { Recipe } from '#factory/data/clean-recipe.ts';
import { ROW_REASONS, type RowReason } from '#factory/data/row-reasons.ts';
import type {
  CleanReport,
  ReportChart,
  ReportEdit,
  ReportReason,
  ReportRow,
  ReportSample,
} from '#factory/records/clean-report.ts';
import type { CleanCounts, InputFile, ReasonCount } from '#factory/records/ledger.ts';
import { type CleanLedger, quote } from '#factory/store/clean-ledger.ts';
import { passesOf } from '../clean-passes.ts';
import { type ReasonTexts, reasonTexts } from './reason-texts.ts';

const PER_REASON = 25;
const CLUSTERS = 40;
const MEMBERS = 8;
const NEAR = 4;
/** Longest text of one row in the page, in characters. */
const CLIP = 2400;

type Row = Record<string, unknown>;

export async function gatherReport(ledger: CleanLedger, recipe: Recipe): Promise<CleanReport> {
  const counts = (await ledger.info<CleanCounts>('counts'))!;
  const reasons = await reasonsOf(ledger, recipe);
  return {
    recipe: recipe.name,
    files: (await ledger.query('select * from files order by file')) as unknown as InputFile[],
    counts,
    steps: keptAfter(recipe, reasons, counts.read),
    reasons,
    unreadable: await unreadableOf(ledger),
    charts: await chartsOf(ledger, recipe),
    edits: await editsOf(ledger),
    dropped: await samplesOf(ledger, 'decisions'),
    flagged: await samplesOf(ledger, 'flags'),
    clusters: await clustersOf(ledger),
    boundaries: await boundariesOf(ledger, recipe, reasons),
  };
}

async function reasonsOf(ledger: CleanLedger, recipe: Recipe): Promise<ReportReason[]> {
  const rows = (await ledger.query(
    'select step, reason, verdict, rows, first, only_ as only from rules order by rowid',
  )) as unknown as ReasonCount[];
  const texts: ReasonTexts = reasonTexts(recipe);
  return rows.map((row) => ({ ...row, ...texts.get(`${row.step}.${row.reason}`)! }));
}

/** Steps over sets decide after all row steps, so they come after them in this list too. */
function keptAfter(recipe: Recipe, reasons: readonly ReportReason[], read: number): CleanReport['steps'] {
  const ordered = [
    ...recipe.steps.filter(({ step }) => step.kind === 'row'),
    ...recipe.steps.filter(({ step }) => step.kind === 'set'),
  ];
  let kept = read;
  return ordered.map(({ step: { name, title } }) => {
    kept -= reasons.reduce((sum, one) => sum + (one.step === name ? one.first : 0), 0);
    return { name, title, keptAfter: kept };
  });
}

async function unreadableOf(ledger: CleanLedger): Promise<CleanReport['unreadable']> {
  const groups = await ledger.query(
    'select reason, count(*)::integer as rows from unreadable group by reason order by rows desc, reason',
  );
  const found: CleanReport['unreadable'] = [];
  for (const group of groups) {
    const reason = group.reason as RowReason;
    const samples = await ledger.query(
      `select f.path, u.line, u.detail, u.raw from unreadable u join files f using (file) where u.reason = $1 order by u.file, u.line limit 5`,
      [reason],
    );
    found.push({
      reason,
      text: ROW_REASONS[reason]?.text ?? reason,
      rows: group.rows as number,
      samples: samples.map(({ path, line, detail, raw }) => ({
        place: `${path}:${(line as number) + 1}`,
        detail: clip(detail as string, 300),
        raw: clip(raw as string, 300),
      })),
    });
  }
  return found;
}

async function chartsOf(ledger: CleanLedger, recipe: Recipe): Promise<ReportChart[]> {
  const bars = async (expression: string, from: string, order: string): Promise<ReportChart['bars']> => {
    const rows = await ledger.query(
      `select ${expression} as name, count(*) filter (rule = -1)::integer as kept, count(*) filter (rule <> -1)::integer as dropped
        from ${from} join decisions using (n) group by 1 order by ${order}`,
    );
    return rows.map(({ name, kept, dropped }) => ({
      ...{ name: String(name ?? ''), kept: kept as number, dropped: dropped as number },
    }));
  };
  const charts: ReportChart[] = [];
  const bin = (value: string) => `cast(pow(2, floor(log2(greatest(1, ${value})))) as integer)`;
  charts.push({
    name: { en: 'Length of rows in characters', zh: '每行长度（字符数）' },
    bars: await bars(bin(lengthOf(recipe)), lengthTable(recipe), '1'),
  });
  // Letters are looked for inside texts only: the JSON around them is Latin whatever the row is.
  const inText = (letters: string) =>
    `regexp_matches(text, '"content":"(?:\\\\.|[^"\\\\${letters}])*[${letters}]')`;
  const han = inText('\\p{Han}');
  const latin = inText('A-Za-z');
  charts.push({
    name: { en: 'Scripts', zh: '文字' },
    bars: await bars(
      `case when ${han} and ${latin} then 'Han + Latin' when ${han} then 'Han' when ${latin} then 'Latin' else 'other' end`,
      'cleaned',
      '1',
    ),
  });
  for (const [number, pass] of passesOf(recipe.steps).entries()) {
    for (const { step } of pass.steps) {
      for (const [label, text] of Object.entries(step.labels ?? {})) {
        const rows = await bars(
          quote(`${step.name}.${label}`),
          `pass_${number}`,
          'count(*) desc, 1 limit 20',
        );
        charts.push({
          name: { en: `${step.title.en}: ${text.en}`, zh: `${step.title.zh}：${text.zh}` },
          bars: rows,
        });
      }
    }
  }
  return charts;
}

const hasLength = ({ steps }: Recipe) => steps.some(({ step }) => step.name === 'length');
const lengthOf = (recipe: Recipe) => (hasLength(recipe) ? quote('length.chars') : 'length(text)');

function lengthTable(recipe: Recipe): string {
  const pass = passesOf(recipe.steps).findIndex((one) =>
    one.steps.some(({ step }) => step.name === 'length'),
  );
  return pass < 0 ? 'cleaned' : `pass_${pass}`;
}

async function editsOf(ledger: CleanLedger): Promise<ReportEdit[]> {
  const rows = await ledger.query(
    `with chosen as (
        select n from (select e.n, e.reason, row_number() over (partition by e.reason order by r.id) as place
          from (select distinct n, reason from edits) e join rows r using (n)) where place <= ${PER_REASON})
      select c.n, c.id, c.file, c.line, c.text, c.original, (select list(distinct reason order by reason) from edits e where e.n = c.n) as reasons
        from cleaned c where c.n in (select n from chosen) order by c.id`,
  );
  return rows.map((row) => ({
    ...reportRow(row),
    reasons: row.reasons as string[],
    original: clip(row.original as string),
  }));
}

async function samplesOf(ledger: CleanLedger, table: 'decisions' | 'flags'): Promise<ReportSample[]> {
  const survivor = table === 'decisions' ? 'd.survivor' : '-1';
  const rows = await ledger.query(
    `select c.*, d.reason, d.score, d.threshold, s.id as s_id, s.file as s_file, s.line as s_line, s.text as s_text
      from (select d.n, d.score, d.threshold, ${survivor} as survivor, u.reason,
              row_number() over (partition by d.rule order by r.id) as place
            from ${table} d join rules u using (rule) join rows r using (n)) d
      join cleaned c using (n) left join cleaned s on s.n = d.survivor where d.place <= ${PER_REASON} order by c.id`,
  );
  return rows.map((row) => ({
    ...reportRow(row),
    reason: row.reason as string,
    score: row.score as number | null,
    threshold: row.threshold as number | null,
    survivor:
      row.s_id === null
        ? null
        : reportRow({ id: row.s_id, file: row.s_file, line: row.s_line, text: row.s_text }),
  }));
}

async function clustersOf(ledger: CleanLedger): Promise<CleanReport['clusters']> {
  const rows = await ledger.query(
    `with sizes as (select survivor, count(*)::integer as size from decisions where survivor >= 0 group by survivor order by size desc, survivor limit ${CLUSTERS}),
      members as (select d.n, d.survivor, d.score, row_number() over (partition by d.survivor order by d.n) as place
        from decisions d where d.survivor in (select survivor from sizes))
      select s.size, s.survivor, m.score, c.id, c.file, c.line, c.text, t.id as t_id, t.file as t_file, t.line as t_line, t.text as t_text
        from sizes s join members m using (survivor) join cleaned c on c.n = m.n join cleaned t on t.n = s.survivor
        where m.place <= ${MEMBERS} order by s.size desc, s.survivor, m.place`,
  );
  const clusters = new Map<number, CleanReport['clusters'][number]>();
  for (const row of rows) {
    const key = row.survivor as number;
    if (!clusters.has(key)) {
      const survivor = reportRow({ id: row.t_id, file: row.t_file, line: row.t_line, text: row.t_text });
      clusters.set(key, { survivor, size: (row.size as number) + 1, members: [] });
    }
    clusters.get(key)!.members.push({ ...reportRow(row), score: row.score as number | null });
  }
  return [...clusters.values()];
}

async function boundariesOf(
  ledger: CleanLedger,
  recipe: Recipe,
  reasons: readonly ReportReason[],
): Promise<CleanReport['boundaries']> {
  const found: CleanReport['boundaries'] = [];
  for (const [number, pass] of passesOf(recipe.steps).entries()) {
    for (const { step } of pass.steps) {
      for (const { reason, score, threshold } of reasons.filter((one) => one.step === step.name)) {
        if (score === null || threshold === null || step.kind === 'set') continue;
        const column = quote(`${step.name}.${score}`);
        const sides: Row[] = [];
        for (const side of [`${column} < $1`, `${column} >= $1`])
          sides.push(
            ...(await ledger.query(
              `select c.id, c.file, c.line, c.text, p.value, d.rule <> -1 as dropped from
                (select n, ${column} as value from pass_${number} where ${side} order by abs(${column} - $1), n limit ${NEAR}) p
                join cleaned c using (n) join decisions d using (n) order by p.value, c.n`,
              [threshold],
            )),
          );
        if (sides.length === 0) continue;
        const near = sides.map((row) => ({
          ...reportRow(row),
          ...{ value: row.value as number, dropped: row.dropped as boolean },
        }));
        found.push({ reason, threshold, score, near });
      }
    }
  }
  return found;
}

function reportRow({ id, file, line, text }: Row): ReportRow {
  return { id: id as string, file: file as number, line: (line as number) + 1, text: clip(text as string) };
}

function clip(text: string, limit = CLIP): string {
  return text.length <= limit ? text : `${text.slice(0, limit)}…`;
}
