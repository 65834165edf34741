// Figures of judgements against published vectors, kappa, what a judge's answer may look like, and rubrics.
import { describe, expect, it } from 'vitest';
import type { Judgement, Rubric } from '#factory/records/judgement.ts';
import { plantedRows } from '../compare/planted-sides.ts';
import { weightedKappa } from './kappa.ts';
import { readScore, readWinner } from './prompts.ts';
import { readRubric } from './read-rubric.ts';
import { agreementReport, pairReport } from './report.ts';

const settings = { level: 0.95, resamples: 300, seed: 1, method: 'percentile' } as const;
const times = <T>(n: number, value: T): T[] => new Array<T>(n).fill(value);
const pairOf = (n: number, longer = false) => ({
  base: plantedRows(times(n, true)),
  candidate: plantedRows(times(n, true), () => (longer ? { prediction: 'a long answer' } : {})),
});
const won = (winner: Judgement['winner'], i: number): Judgement => ({
  row: `r${i}`,
  games: winner === 'tie' ? ['base', 'candidate'] : [winner!, winner!],
  winner,
  reasons: [],
});
/** 60 won, 10 tied, 30 lost: the page's example. */
const HUNDRED = [
  ...times(60, 'candidate' as const),
  ...times(10, 'tie' as const),
  ...times(30, 'base' as const),
].map(won);

describe('pairs', () => {
  it('have the win rate, the decided share and the sign test of the reference', () => {
    const found = pairReport(HUNDRED, pairOf(100), settings)!;
    expect(found).toMatchObject({ wins: 60, ties: 10, losses: 30 });
    expect(found.winRate.value).toBeCloseTo(0.65, 12);
    expect(found.winRate.interval.low).toBeCloseTo(0.561357, 5);
    expect(found.winRate.interval.high).toBeCloseTo(0.738643, 5);
    expect(found.decided!.interval.low).toBeCloseTo(0.564223, 6);
    expect(found.decided!.interval.high).toBeCloseTo(0.755465, 6);
    expect(found.p).toBeCloseTo(0.0020602656809630745, 12);
    expect(found.consistency).toMatchObject({ value: 0.9, n: 100 });
  });

  it('tell how much length counts', () => {
    const found = pairReport(HUNDRED, pairOf(100, true), settings)!;
    expect(found.lengthGap).toMatchObject({ value: 10 });
    expect(found.longerWins).toMatchObject({ value: 60 / 90, n: 90 });
    expect(pairReport(HUNDRED, pairOf(100), settings)!.longerWins).toBeNull();
  });

  it('leave out rows that failed, and are nothing where all did', () => {
    const failed = HUNDRED.map(({ row }) => ({ row, reasons: [], failure: 'x' }));
    expect(pairReport([...HUNDRED.slice(0, 50), ...failed.slice(50)], pairOf(100), settings)!.winRate.n).toBe(
      50,
    );
    expect(pairReport(failed, pairOf(100), settings)).toBeNull();
  });
});

describe('kappa', () => {
  const pairs = [
    ...times(20, ['a', 'a'] as const),
    ...times(5, ['a', 'b'] as const),
    ...times(10, ['b', 'a'] as const),
    ...times(15, ['b', 'b'] as const),
  ];

  it('is that of the reference, and not defined by chance alone', () => {
    expect(weightedKappa(pairs, 'nominal')).toBeCloseTo(0.4, 12);
    expect(weightedKappa([['a', 'a']], 'nominal')).toBeNaN();
    // scikit-learn: cohen_kappa_score([1,2,3,4,5,3], [1,2,4,4,5,1], weights='quadratic').
    const scores = [1, 2, 3, 4, 5, 3].map((a, i) => [a, [1, 2, 4, 4, 5, 1][i]] as const);
    expect(weightedKappa(scores, 'quadratic')).toBeCloseTo(0.8, 12);
  });

  it('comes with an interval, on the rows that both have', () => {
    const rubric: Rubric = readRubric('r', 'name: t\nversion: 1\nkind: pairwise\ncriteria: c');
    const labels = new Map(
      HUNDRED.slice(0, 80).map(({ row, winner }, i) => [row, i % 8 === 0 ? 'tie' : winner!]),
    );
    const found = agreementReport(rubric, HUNDRED, labels, plantedRows(times(100, true)), settings)!;
    expect(found.same).toMatchObject({ value: 70 / 80 + 1 / 80, n: 80 });
    expect(found.kappa!.interval.low).toBeLessThan(found.kappa!.value);
    expect(agreementReport(rubric, HUNDRED, new Map(), [], settings)).toBeNull();
  });
});

describe("a judge's answer", () => {
  const rubric = readRubric('r', 'name: t\nversion: 1\nkind: score\ncriteria: c\nscale: [1, 4]');

  it.each([
    ['{"reason": "fine", "score": 3}', 3],
    ['Let me think {about it}.\n```json\n{"score": "2", "reason": "x"}\n```', 2],
    ['{"score": 1} no, rather {"score": 4}', 4],
  ])('%s is read', (answer, value) => expect(readScore(answer, rubric)).toMatchObject({ value }));

  it.each(['', '3', '{"score": 5}', '{"score": 2.5}', '{"score": null}', '{"winner": "first"}', '{{{'])(
    '%s is no score',
    (answer) => expect(readScore(answer, rubric)).toHaveProperty('problem'),
  );

  it('may name the winner, and nothing but that', () => {
    expect(readWinner('{"winner": "Second", "reason": "r"}')).toEqual({ value: 'second', reason: 'r' });
    expect(readWinner('{"winner": "both"}')).toHaveProperty('problem');
  });
});

it.each([
  ['', 'nothing'],
  ['kind: score', 'too little'],
  ['name: t\nversion: 1\nkind: score\ncriteria: c\nscale: [5, 1]', 'a scale upside down'],
  ['name: [', 'no YAML'],
])('a rubric with %s is refused', (text) => {
  expect(() => readRubric('r.yaml', text)).toThrow(expect.objectContaining({ code: 'EVAL_BAD_RUBRIC' }));
});
