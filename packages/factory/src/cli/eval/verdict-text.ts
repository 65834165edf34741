// In: a verdict and where its files lie. Out: it as text for a terminal: the decision first, then every criterion.
import {
  DECISION_WORDS,
  foundWords,
  kindWords,
  moreWords,
  nameWords,
  reasonWords,
  ruleWords,
  STATE_WORDS,
  warningWords,
} from '#factory/eval/report/verdict-words.ts';
import type { Verdict } from '#factory/records/verdict.ts';
import { columns } from '../columns.ts';

export function verdictText(verdict: Verdict, dir: string): string {
  const { decision, rules, comparison, criteria, warnings } = verdict;
  return [
    `${DECISION_WORDS[decision].en.toUpperCase()}: ${comparison.candidate.name} in place of ${comparison.base.name}, by "${rules.name}" on ${comparison.rows} rows`,
    reasonWords(verdict).en,
    '',
    columns([
      ['criterion', 'rule', 'found', '', ''],
      ...criteria.map((one) => [
        `${kindWords(one).en}: ${nameWords(one).en}`,
        ruleWords(one).en,
        foundWords(one).en,
        STATE_WORDS[one.state].en,
        moreWords(one)?.en ?? '',
      ]),
    ]),
    ...warnings.map((one) => `warning: ${warningWords(one).en}`),
    `rules ${rules.path} (${rules.sha256.slice(0, 12)}), data ${verdict.candidate.data.contentSha256.slice(0, 12)}`,
    `${dir}/verdict.html is for people, ${dir}/verdict.json for programs`,
    '',
  ].join('\n');
}
