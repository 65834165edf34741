// In: a rubric, rows of one or two evaluations, and a way to ask the judge. Out: a judgement per row; pairs are always asked
// in both orders, and a win needs both (Zheng et al. 2023, MT-Bench). A row that fails costs that row, never the run.
import { FactoryError } from '#factory/errors.ts';
import type { Judgement, Rubric, Winner } from '#factory/records/judgement.ts';
import type { PredictionRow } from '#factory/records/scorecard.ts';
import type { PairedRows } from '../compare/pair-rows.ts';
import { type JudgeMessage, pairMessages, readScore, readWinner, scoreMessages } from './prompts.ts';

export interface JudgePorts {
  /** The judge's answer. A FactoryError means that this row has none. */
  ask(messages: readonly JudgeMessage[]): Promise<string>;
  /** Requests at a time. */
  concurrency: number;
  onRow(done: number, total: number): void;
}

export function judgePairs(rubric: Rubric, pair: PairedRows, ports: JudgePorts): Promise<Judgement[]> {
  return inOrder(pair.base, ports, async (base, i) => {
    const [a, b] = [answerOf(base), answerOf(pair.candidate[i])];
    const games = await Promise.all([
      ports.ask(pairMessages(rubric, base, a, b)),
      ports.ask(pairMessages(rubric, base, b, a)),
    ]);
    const [one, two] = games.map(readWinner);
    if ('problem' in one) return failed(base, one.problem);
    if ('problem' in two) return failed(base, two.problem);
    const results: [Winner, Winner] = [
      { first: 'base', second: 'candidate', tie: 'tie' } as const,
      { first: 'candidate', second: 'base', tie: 'tie' } as const,
    ].map((names, game) => names[[one, two][game].value]) as [Winner, Winner];
    return {
      row: base.id,
      games: results,
      winner: results[0] === results[1] ? results[0] : 'tie',
      reasons: [one.reason, two.reason],
    };
  });
}

export function judgeScores(
  rubric: Rubric,
  rows: readonly PredictionRow[],
  side: 'base' | 'candidate',
  ports: JudgePorts,
): Promise<Judgement[]> {
  return inOrder(rows, ports, async (row) => {
    const read = readScore(await ports.ask(scoreMessages(rubric, row)), rubric);
    if ('problem' in read) return { ...failed(row, read.problem), side };
    return { row: row.id, side, score: read.value, reasons: [read.reason] };
  });
}

/** Rows in their order, several at a time. When the first ones all fail, the judge is taken to be down. */
async function inOrder(
  rows: readonly PredictionRow[],
  ports: JudgePorts,
  judgeRow: (row: PredictionRow, i: number) => Promise<Judgement>,
): Promise<Judgement[]> {
  const found = new Array<Judgement>(rows.length);
  let [next, done, unanswered] = [0, 0, 0];
  let down: FactoryError | null = null;
  const worker = async () => {
    while (next < rows.length && down === null) {
      const i = next++;
      try {
        found[i] = await judgeRow(rows[i], i);
      } catch (error) {
        if (!(error instanceof FactoryError)) throw error;
        found[i] = failed(rows[i], error.message);
        unanswered++;
        if (unanswered === done + 1 && unanswered >= Math.min(rows.length, Math.max(3, ports.concurrency)))
          down = error;
      }
      ports.onRow(++done, rows.length);
    }
  };
  await Promise.all(Array.from({ length: Math.min(ports.concurrency, rows.length) }, worker));
  if (down !== null) throw down;
  return found;
}

/** What a model that failed gave. */
const answerOf = ({ prediction, failure }: PredictionRow) => (failure === undefined ? prediction : '');

const failed = ({ id }: PredictionRow, failure: string): Judgement => ({ row: id, reasons: [], failure });
