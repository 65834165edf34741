// In: a ledger with scores, and a recipe with thresholds. Out: verdicts in the ledger, and counts. Nothing is measured.
import type { Recipe } from '#factory/data/clean-recipe.ts';
import type { SetFindings } from '#factory/data/clean-step.ts';
import { type Decisions, decide } from '#factory/data/decide.ts';
import { invariant } from '#factory/errors.ts';
import type { CleanCounts, ReasonCount } from '#factory/records/ledger.ts';
import type { CleanLedger } from '#factory/store/clean-ledger.ts';
import { passesOf } from './clean-passes.ts';

/** What a person brought back by hand. */
export interface Restored {
  reasons: string[];
  /** Row ids. */
  rows: string[];
}

export async function decideRun(
  recipe: Recipe,
  ledger: CleanLedger,
): Promise<{ counts: CleanCounts; reasons: ReasonCount[] }> {
  const [sizes] = await ledger.query(
    `select (select count(*) from rows)::integer as rows, (select count(*) from unreadable)::integer as unreadable,
      (select count(distinct n) from edits)::integer as edited`,
  );
  const { rows, unreadable, edited } = sizes as { rows: number; unreadable: number; edited: number };
  const restored = (await ledger.info<Restored>('restored')) ?? { reasons: [], rows: [] };
  const decisions = decide({
    rows,
    steps: recipe.steps,
    ...(await loadFindings(recipe, rows, ledger)),
    edits: (await ledger.query(
      'select step, reason, count(distinct n)::integer as rows from edits group by step, reason order by step, reason',
    )) as { step: string; reason: string; rows: number }[],
    restoredReasons: new Set(restored.reasons),
    restoredRows: new Set(await numbersOf(restored.rows, ledger)),
  });
  await saveDecisions(decisions, ledger);
  await ledger.createCleanedView(passesOf(recipe.steps).length);
  const dropped = decisions.rule.reduce((count, rule) => count + (rule >= 0 ? 1 : 0), 0);
  const counts: CleanCounts = { read: rows, unreadable, kept: rows - dropped, dropped, edited };
  await ledger.setInfo('counts', counts);
  return { counts, reasons: decisions.counts };
}

async function numbersOf(ids: readonly string[], ledger: CleanLedger): Promise<number[]> {
  const found: number[] = [];
  for (const id of ids) {
    const rows = await ledger.query('select n from rows where id = $1', [id]);
    found.push(...rows.map(({ n }) => n as number));
  }
  return found;
}

async function loadFindings(recipe: Recipe, rows: number, ledger: CleanLedger) {
  const scores = new Map<string, Float64Array>();
  const findings = new Map<string, SetFindings>();
  for (const [number, pass] of passesOf(recipe.steps).entries()) {
    const names = pass.steps.flatMap(({ step }) =>
      Object.keys(step.scores).map((name) => `${step.name}.${name}`),
    );
    for (const [k, values] of (await ledger.numbers(number, names, rows)).entries())
      scores.set(names[k]!, values);
    for (const { step } of pass.steps) {
      if (step.kind === 'row') continue;
      const own = Object.keys(step.scores).map((name) => [name, scores.get(`${step.name}.${name}`)!]);
      findings.set(step.name, {
        scores: Object.fromEntries(own),
        pairs: await loadPairs(step.name, ledger),
      });
    }
  }
  return {
    scoreOf(step: string, score: string) {
      const found = scores.get(`${step}.${score}`);
      invariant(found !== undefined, `no scores ${step}.${score}`);
      return found;
    },
    findingsOf(step: string) {
      const found = findings.get(step);
      invariant(found !== undefined, `no findings of ${step}`);
      return found;
    },
  };
}

async function loadPairs(step: string, ledger: CleanLedger): Promise<SetFindings['pairs']> {
  const [size] = await ledger.query('select count(*)::integer as count from pairs where step = $1', [step]);
  const count = size!.count as number;
  const pairs = { a: new Uint32Array(count), b: new Uint32Array(count), value: new Float64Array(count) };
  let at = 0;
  const sql = `select a, b, value from pairs where step = '${step}' order by a, b`;
  for await (const [a, b, value] of ledger.columns(sql)) {
    for (let i = 0; i < a!.length; i++, at++) {
      pairs.a[at] = a![i] as number;
      pairs.b[at] = b![i] as number;
      pairs.value[at] = value![i] as number;
    }
  }
  return pairs;
}

async function saveDecisions(decisions: Decisions, ledger: CleanLedger): Promise<void> {
  const { rule, score, threshold, survivor, flags, rules, counts } = decisions;
  await ledger.transaction(async () => {
    for (const table of ['decisions', 'flags', 'rules']) await ledger.clear(table);
    await ledger.append('decisions', [
      { type: 'integer', values: Uint32Array.from({ length: rule.length }, (_, n) => n) },
      { type: 'integer', values: rule },
      { type: 'double', values: score },
      { type: 'double', values: threshold },
      { type: 'integer', values: survivor },
    ]);
    await ledger.append('flags', [
      { type: 'integer', values: flags.map((flag) => flag.row) },
      { type: 'integer', values: flags.map((flag) => flag.rule) },
      { type: 'double', values: flags.map((flag) => flag.score) },
      { type: 'double', values: flags.map((flag) => flag.threshold) },
    ]);
    await ledger.append('rules', [
      { type: 'integer', values: counts.map((_, index) => (index < rules.length ? index : null)) },
      { type: 'text', values: counts.map(({ step }) => step) },
      { type: 'text', values: counts.map(({ reason }) => reason) },
      { type: 'text', values: counts.map(({ verdict }) => verdict) },
      { type: 'integer', values: counts.map(({ rows }) => rows) },
      { type: 'integer', values: counts.map(({ first }) => first) },
      { type: 'integer', values: counts.map(({ only }) => only) },
    ]);
  });
}
