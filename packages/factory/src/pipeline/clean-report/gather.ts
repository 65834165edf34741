// In: a run with verdicts. Out: what its report page shows. Samples are chosen by row id, which is a hash, so that they are
// spread over the data and the same in every report of the same run. Rows are first chosen by number, from columns without
// texts, then read all at once (shown-rows.ts).
import type { Recipe } from '#factory/data/clean-recipe.ts';
import { ROW_REASONS, type RowReason } from '#factory/data/row-reasons.ts';
import type { CleanReport, ReportChart, ReportReason } from '#factory/records/clean-report.ts';
import type { CleanCounts, InputFile, ReasonCount } from '#factory/records/ledger.ts';
import { type CleanLedger, quote } from '#factory/store/clean-ledger.ts';
import { passesOf } from '../clean-passes.ts';
import { type ReasonTexts, reasonTexts } from './reason-texts.ts';
import { ShownRows } from './shown-rows.ts';

const PER_REASON = 25;
const CLUSTERS = 40;
const MEMBERS = 8;
const NEAR = 4;

export async function gatherReport(ledger: CleanLedger, recipe: Recipe): Promise<CleanReport> {
  const counts = (await ledger.info<CleanCounts>('counts'))!;
  const reasons = await reasonsOf(ledger, recipe);
  const edits = await chooseEdits(ledger);
  const dropped = await chooseSamples(ledger, 'decisions');
  const flagged = await chooseSamples(ledger, 'flags');
  const clusters = await chooseClusters(ledger);
  const boundaries = await chooseBoundaries(ledger, recipe, reasons);
  const shown = await ShownRows.load(ledger, [
    ...edits.map(({ n }) => n),
    ...[...dropped, ...flagged].flatMap(({ n, survivor }) => [n, survivor]),
    ...clusters.flatMap(({ survivor, members }) => [survivor, ...members.map(({ n }) => n)]),
    ...boundaries.flatMap(({ near }) => near.flatMap(({ n, other }) => [n, other])),
  ]);
  const sample = ({ n, survivor, ...found }: ChosenSample) => ({
    ...shown.row(n),
    ...found,
    survivor: survivor < 0 ? null : shown.row(survivor),
  });
  return {
    recipe: recipe.name,
    files: (await ledger.query('select * from files order by file')) as unknown as InputFile[],
    counts,
    steps: keptAfter(recipe, reasons, counts.read),
    reasons,
    unreadable: await unreadableOf(ledger),
    charts: await chartsOf(ledger, recipe),
    edits: byId(edits.map(({ n, reasons: why }) => ({ ...shown.edited(n), reasons: why }))),
    dropped: byId(dropped.map(sample)),
    flagged: byId(flagged.map(sample)),
    clusters: clusters.map(({ survivor, size, members }) => ({
      survivor: shown.row(survivor),
      size,
      members: members.map(({ n, score }) => ({ ...shown.row(n), score })),
    })),
    boundaries: boundaries.map(({ near, ...boundary }) => ({
      ...boundary,
      near: near.map(({ n, other, ...found }) => ({
        ...shown.row(n),
        ...found,
        other: other < 0 ? null : shown.row(other),
      })),
    })),
  };
}

function byId<T extends { id: string }>(rows: T[]): T[] {
  return rows.sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
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
      text: { en: ROW_REASONS[reason]?.text ?? reason, zh: ROW_REASONS[reason]?.zh ?? reason },
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

async function chooseEdits(ledger: CleanLedger): Promise<{ n: number; reasons: string[] }[]> {
  const rows = await ledger.query(
    `with chosen as (
        select distinct n from (select e.n, row_number() over (partition by e.reason order by r.id) as place
          from (select distinct n, reason from edits) e join rows r using (n)) where place <= ${PER_REASON})
      select n, list(distinct reason order by reason) as reasons from edits join chosen using (n) group by n`,
  );
  return rows as unknown as { n: number; reasons: string[] }[];
}

interface ChosenSample {
  n: number;
  reason: string;
  score: number | null;
  threshold: number | null;
  /** -1 where there is none. */
  survivor: number;
}

async function chooseSamples(ledger: CleanLedger, table: 'decisions' | 'flags'): Promise<ChosenSample[]> {
  const survivor = table === 'decisions' ? 'd.survivor' : '-1';
  const rows = await ledger.query(
    `select n, reason, score, threshold, survivor from
      (select d.n, u.reason, d.score, d.threshold, ${survivor} as survivor,
          row_number() over (partition by d.rule order by r.id) as place
        from ${table} d join rules u using (rule) join rows r using (n)) where place <= ${PER_REASON}`,
  );
  return rows as unknown as ChosenSample[];
}

interface ChosenCluster {
  survivor: number;
  size: number;
  members: { n: number; score: number | null }[];
}

async function chooseClusters(ledger: CleanLedger): Promise<ChosenCluster[]> {
  const rows = await ledger.query(
    `with sizes as (select survivor, count(*)::integer as size from decisions where survivor >= 0 group by survivor order by size desc, survivor limit ${CLUSTERS}),
      members as (select d.n, d.survivor, d.score, row_number() over (partition by d.survivor order by d.n) as place
        from decisions d join sizes using (survivor))
      select size, survivor, m.n, m.score from sizes join members m using (survivor)
        where m.place <= ${MEMBERS} order by size desc, survivor, m.place`,
  );
  const clusters = new Map<number, ChosenCluster>();
  for (const { survivor, size, n, score } of rows as unknown as (ChosenCluster &
    ChosenCluster['members'][0])[]) {
    if (!clusters.has(survivor)) clusters.set(survivor, { survivor, size: size + 1, members: [] });
    clusters.get(survivor)!.members.push({ n, score });
  }
  return [...clusters.values()];
}

interface ChosenBoundary {
  reason: string;
  threshold: number;
  score: string;
  /** `other` is the row that it is compared with, -1 where there is none. */
  near: { n: number; value: number; dropped: boolean; other: number }[];
}

async function chooseBoundaries(
  ledger: CleanLedger,
  recipe: Recipe,
  reasons: readonly ReportReason[],
): Promise<ChosenBoundary[]> {
  const found: ChosenBoundary[] = [];
  for (const [number, pass] of passesOf(recipe.steps).entries()) {
    for (const { step } of pass.steps) {
      for (const { reason, score, threshold } of reasons.filter((one) => one.step === step.name)) {
        if (threshold === null) continue;
        const column = score === null ? 'value' : quote(`${step.name}.${score}`);
        // Of a pair, the row that goes comes first.
        const from =
          score === null
            ? `(select case when rule = -1 then a else b end as n, case when rule = -1 then b else a end as other, value
                from pairs join decisions on n = b where step = '${step.name}')`
            : `(select n, -1 as other, ${column} from pass_${number})`;
        const near: ChosenBoundary['near'] = [];
        for (const side of [`${column} < $1`, `${column} >= $1`]) {
          const rows = await ledger.query(
            `select n, other, value, rule <> -1 as dropped from
              (select n, other, ${column} as value from ${from} where ${side} order by abs(${column} - $1), n, other limit ${NEAR})
              join decisions using (n) order by value, n, other`,
            [threshold],
          );
          near.push(...(rows as unknown as ChosenBoundary['near']));
        }
        if (near.length > 0) found.push({ reason, threshold, score: score ?? '', near });
      }
    }
  }
  return found;
}

function clip(text: string, limit: number): string {
  return text.length <= limit ? text : `${text.slice(0, limit)}…`;
}
