// In: the judgements of rows. Out: what they amount to: win rate with ties half, how often both orders agree, how much length
// counts, mean scores, agreement with people; every figure with its interval.
import type { Difference } from '#factory/records/comparison.ts';
import type { Estimate, Judgement, JudgeReport, JudgeWarning, Rubric } from '#factory/records/judgement.ts';
import type { PredictionRow } from '#factory/records/scorecard.ts';
import { businessDifference } from '../compare/differences.ts';
import type { PairedRows } from '../compare/pair-rows.ts';
import type { IntervalSettings } from '../metrics/aggregate.ts';
import { bootstrapInterval, resamplingUnits } from '../statistics/bootstrap.ts';
import { mcnemar } from '../statistics/mcnemar.ts';
import { normalQuantile } from '../statistics/normal.ts';
import { wilsonInterval } from '../statistics/wilson.ts';
import { weightedKappa } from './kappa.ts';

/** A judge below it is unfit: it looks at the order. */
const CONSISTENT = 0.75;
const ENOUGH_LABELS = 50;

export function pairReport(
  judgements: readonly Judgement[],
  pair: PairedRows,
  settings: IntervalSettings,
): JudgeReport['pairs'] {
  const judged = judgements.flatMap((one, i) => (one.winner ? [{ ...one, winner: one.winner, i }] : []));
  if (judged.length === 0) return null;
  const count = (winner: string) => judged.filter((one) => one.winner === winner).length;
  const [wins, ties, losses] = [count('candidate'), count('tie'), count('base')];
  const gaps = judged.map(({ i }) => pair.candidate[i].prediction.length - pair.base[i].prediction.length);
  const byLength = judged.filter(({ winner }, at) => winner !== 'tie' && gaps[at] !== 0);
  const longer = byLength.filter(({ winner, i }) => {
    const gap = pair.candidate[i].prediction.length - pair.base[i].prediction.length;
    return winner === (gap > 0 ? 'candidate' : 'base');
  });
  const { level } = settings;
  return {
    wins,
    ties,
    losses,
    winRate: meanOf(
      judged.map(({ winner }) => ({ candidate: 1, tie: 0.5, base: 0 })[winner]),
      level,
    ),
    decided: share(wins, wins + losses, level),
    p: mcnemar(losses, wins).exactP,
    consistency: share(
      judged.filter(({ games }) => games && games[0] === games[1]).length,
      judged.length,
      level,
    )!,
    lengthGap: judged.length < 2 ? null : meanOf(gaps, level),
    longerWins: share(longer.length, byLength.length, level),
  };
}

/** Mean ± z · s/√n, with n − 1 in s; a single row or equal ones get Wilson's width, as they show no spread. */
function meanOf(values: readonly number[], level: number): Estimate {
  const n = values.length;
  const mean = values.reduce((sum, x) => sum + x, 0) / n;
  const squares = values.reduce((sum, x) => sum + (x - mean) ** 2, 0);
  if (n < 2 || squares === 0) {
    const unseen = wilsonInterval(0, n, level).high;
    const spread = Math.max(1, Math.abs(mean));
    return {
      value: mean,
      n,
      interval: { low: mean - unseen * spread, high: mean + unseen * spread, level, method: 'no-variation' },
    };
  }
  const half = normalQuantile((1 + level) / 2) * Math.sqrt(squares / (n - 1) / n);
  return { value: mean, n, interval: { low: mean - half, high: mean + half, level, method: 'normal' } };
}

function share(hits: number, trials: number, level: number): Estimate | null {
  if (trials === 0) return null;
  return { value: hits / trials, n: trials, interval: wilsonInterval(hits, trials, level) };
}

/** Scores of one evaluation, or of two on the same rows. */
export function scoreReport(
  rubric: Rubric,
  base: readonly Judgement[],
  candidate: readonly Judgement[] | null,
  pair: PairedRows,
  settings: IntervalSettings,
): JudgeReport['scores'] {
  const scores = (found: readonly Judgement[]) => found.map(({ score }) => score ?? null);
  const name = `judge[${rubric.name} v${rubric.version}]`;
  const identity = { name, direction: 'higher' } as const;
  const perItem = [scores(base), scores(candidate ?? base)] as const;
  const difference: Difference | null = businessDifference(identity, perItem, pair, settings);
  if (difference === null) return null;
  return {
    base: difference.base,
    candidate: candidate && difference.candidate,
    difference: candidate && difference,
  };
}

/** `labels`: row id → what a person says: a winner, or a score. */
export function agreementReport(
  rubric: Rubric,
  judgements: readonly Judgement[],
  labels: ReadonlyMap<string, string | number>,
  rows: readonly PredictionRow[],
  settings: IntervalSettings,
): JudgeReport['agreement'] {
  const clusters = new Map(rows.map((row) => [row.id, row.cluster]));
  const common = judgements.flatMap((one) => {
    const [judge, person] = [one.winner ?? one.score, labels.get(one.row)];
    return judge === undefined || person === undefined
      ? []
      : [{ judge, person, cluster: clusters.get(one.row) }];
  });
  if (common.length === 0) return null;
  const weights = rubric.kind === 'score' ? 'quadratic' : 'nominal';
  const statistic = (some: ArrayLike<number>) =>
    weightedKappa(
      Array.from(some, (i) => [common[i].judge, common[i].person] as const),
      weights,
    );
  const value = statistic(common.map((_, i) => i));
  const interval = Number.isNaN(value)
    ? null
    : bootstrapInterval(statistic, resamplingUnits(common), settings);
  const same = common.filter(({ judge, person }) => judge === person).length;
  return {
    weights,
    kappa: interval && { value, interval, n: common.length },
    same: share(same, common.length, settings.level)!,
  };
}

export function judgeWarnings(
  report: Pick<JudgeReport, 'pairs' | 'agreement' | 'judge' | 'base' | 'candidate'>,
): JudgeWarning[] {
  const { pairs, agreement, judge, base, candidate } = report;
  const models = [base.model, candidate?.model].filter((model) => model !== undefined);
  return [
    ...(pairs && pairs.consistency.value < CONSISTENT ? (['inconsistent_judge'] as const) : []),
    ...(models.some((model) => model.toLowerCase().endsWith(judge.model.toLowerCase()))
      ? (['judges_itself'] as const)
      : []),
    ...(agreement === null
      ? (['no_labels'] as const)
      : agreement.same.n < ENOUGH_LABELS
        ? (['few_labels'] as const)
        : []),
  ];
}
