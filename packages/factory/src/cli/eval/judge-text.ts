// In: the report of a judge. Out: it as text for a terminal.
import { formatDelta, formatP, formatRange, formatValue } from '#factory/eval/report/format.ts';
import type { Estimate, JudgeReport, JudgeWarning } from '#factory/records/judgement.ts';

const WARNINGS: Record<JudgeWarning, string> = {
  inconsistent_judge:
    'the two orders agree on less than 75 % of the rows: this judge looks at the order, so it is unfit',
  judges_itself: 'the judge is one of the judged models, and models prefer their own answers',
  few_labels: 'fewer than 50 labels of people: the agreement is hardly known',
  no_labels: 'no labels of people were given: nothing says that this judge agrees with them',
};

export function judgeText(report: JudgeReport, dir: string): string {
  const { rubric, judge, base, candidate, rows, failed, scores, pairs, agreement, cost } = report;
  const share = (estimate: Estimate | null) =>
    estimate === null
      ? 'none'
      : `${formatValue(estimate.value, 'share')} (${formatRange(estimate.interval, 'share')}) of ${estimate.n}`;
  const score = (value: NonNullable<typeof scores>['base']) =>
    value.value === null
      ? 'none'
      : `${formatValue(value.value, 'number')} (${formatRange(value.interval, 'number')})`;
  const delta = scores?.difference?.delta;
  return [
    `${judge.model} judges ${candidate ? `${candidate.name} against ${base.name}` : base.name} by "${rubric.name}" version ${rubric.version}: ${rows} rows, ${failed} without a judgement`,
    ...(pairs
      ? [
          `win rate, ties half  ${share(pairs.winRate)}: ${pairs.wins} won, ${pairs.ties} tied, ${pairs.losses} lost; p ${formatP(pairs.p)}`,
          `of those decided     ${share(pairs.decided)}`,
          `both orders agree    ${share(pairs.consistency)}`,
          ...(pairs.lengthGap
            ? [
                `length gap           ${formatDelta(pairs.lengthGap.value, 'number')} characters (${formatRange(pairs.lengthGap.interval, 'number')}); the longer answer won ${share(pairs.longerWins)}`,
              ]
            : []),
        ]
      : []),
    ...(scores
      ? [
          `score of ${base.name}: ${score(scores.base)}`,
          ...(candidate && scores.candidate
            ? [`score of ${candidate.name}: ${score(scores.candidate)}`]
            : []),
          ...(delta
            ? [
                `difference: ${formatDelta(delta.value, 'number')} (${formatRange(delta.interval, 'number')}), p ${formatP(delta.p)}`,
              ]
            : []),
        ]
      : []),
    ...(agreement
      ? [
          `with people: ${agreement.weights === 'quadratic' ? "Cohen's kappa, quadratic weights," : "Cohen's kappa"} ${agreement.kappa ? `${agreement.kappa.value.toFixed(3)} (${formatRange(agreement.kappa.interval, 'number')})` : 'not defined'}; the same ${share(agreement.same)}`,
        ]
      : []),
    `cost: ${cost.requests} requests, ${cost.cached} of them from the cache; ${cost.promptTokens} tokens read, ${cost.newTokens} written${cost.price === null ? '' : `; ${cost.price.toFixed(4)} paid now`}`,
    ...report.warnings.map((one) => `warning: ${WARNINGS[one]}`),
    `${dir}/judgements.jsonl has every row with its reasons`,
    '',
  ].join('\n');
}
