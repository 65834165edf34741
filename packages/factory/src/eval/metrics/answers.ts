// In: rows with references. Out: the metrics that compare a short answer with a reference: exact match with a declared
// normalisation, SQuAD's and CMRC's exact match and F1, and the number in an answer. The best reference counts.
import { z } from 'zod';
import type { MetricName } from '#factory/records/metric-names.ts';
import { cmrcExact, cmrcF1 } from './cmrc.ts';
import { referencesOf } from './corpus-sums.ts';
import {
  badRow,
  countFailures,
  defineMetric,
  type MetricDefinition,
  meanOfItems,
  shareOfItems,
} from './definition.ts';
import { clippedMatches, ngramCounts, splitWords } from './words.ts';

const noOptions = z.strictObject({});
const PUNCTUATION = /[!-/:-@[-`{-~]/g;
const ARTICLES = /(?<![\p{L}\p{N}_])(?:a|an|the)(?![\p{L}\p{N}_])/gu;

/** In the order in which they are applied. */
const STEPS = {
  nfkc: (text: string) => text.normalize('NFKC'),
  case: (text: string) => text.toLowerCase(),
  punctuation: (text: string) => text.replace(/\p{P}/gu, ''),
  articles: (text: string) => text.replace(ARTICLES, ' '),
  whitespace: (text: string) => splitWords(text).join(' '),
  trim: (text: string) => text.trim(),
} as const;
const STEP_NAMES = Object.keys(STEPS) as (keyof typeof STEPS)[];

const exactMatch = defineMetric({
  name: 'exact_match',
  direction: 'higher',
  range: [0, 1],
  summary:
    'Share of rows whose answer equals a reference after the declared normalisation; the name lists it.',
  source: 'Own definition. `normalize` may be empty: then every character counts.',
  options: z.strictObject({ normalize: z.array(z.enum(STEP_NAMES)).default(['trim']) }),
  prepare(rows, { normalize }) {
    const steps = STEP_NAMES.filter((step) => normalize.includes(step));
    const read = (text: string): string => steps.reduce((out, step) => STEPS[step](out), text);
    const perItem = rows.map((row) => {
      const answer = read(row.prediction);
      return Number(referencesOf('exact_match', row).some((reference) => read(reference) === answer));
    });
    return { ...shareOfItems(perItem), variant: steps.join('+') || 'raw', invalid: countFailures(rows) };
  },
});

type Score = (answer: string, reference: string) => number;

const best = (
  name: MetricName,
  kind: 'share' | 'mean',
  summary: string,
  source: string,
  score: Score,
): MetricDefinition =>
  defineMetric({
    name,
    direction: 'higher',
    range: [0, 1],
    summary,
    source,
    options: noOptions,
    prepare(rows) {
      const perItem = rows.map((row) =>
        Math.max(...referencesOf(name, row).map((reference) => score(row.prediction, reference))),
      );
      return {
        ...(kind === 'share' ? shareOfItems(perItem) : meanOfItems(perItem)),
        invalid: countFailures(rows),
      };
    },
  });

/** Lower case, ASCII punctuation and English articles removed, spaces squeezed. */
function squadText(text: string): string {
  return splitWords(text.toLowerCase().replace(PUNCTUATION, '').replace(ARTICLES, ' ')).join(' ');
}

function squadF1(answer: string, reference: string): number {
  return bagF1(splitWords(squadText(answer)), splitWords(squadText(reference)));
}

/** Han characters one by one, other words whole; no punctuation of any script. */
function characterTokens(text: string): string[] {
  const plain = text.normalize('NFKC').toLowerCase().replace(/\p{P}/gu, ' ');
  return splitWords(plain.replace(/\p{Script=Han}/gu, ' $& '));
}

/** Two empty answers agree; an empty one and another do not (SQuAD 2.0). */
function bagF1(answer: readonly string[], reference: readonly string[]): number {
  if (answer.length === 0 || reference.length === 0) return Number(answer.length === reference.length);
  const common = clippedMatches(ngramCounts(answer, 1, ' '), ngramCounts(reference, 1, ' '));
  if (common === 0) return 0;
  const [precision, recall] = [common / answer.length, common / reference.length];
  return (2 * precision * recall) / (precision + recall);
}

const NUMBER = /[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e[-+]?\d+)?|[-+]?\.\d+/giu;

/** Full-width digits and signs are read; a dash right after a letter, a digit or a bracket is no sign. */
function numbersIn(text: string): number[] {
  const plain = text.normalize('NFKC').replace(/[−–]/gu, '-');
  return [...plain.matchAll(NUMBER)].map(({ 0: found, index }) => {
    const joined = /[-+]/.test(found[0]) && /[\p{L}\p{N})\]]/u.test(plain[index - 1] ?? '');
    return Number((joined ? found.slice(1) : found).replaceAll(',', ''));
  });
}

const numberMatch = defineMetric({
  name: 'number_match',
  direction: 'higher',
  range: [0, 1],
  summary: 'Share of rows whose last (or first) number equals that of a reference, within a tolerance.',
  source:
    'As GSM8K is scored: thousands commas are dropped. An answer without a number is invalid and wrong.',
  options: z.strictObject({
    which: z.enum(['last', 'first']).default('last'),
    absolute_tolerance: z.number().nonnegative().default(0),
    relative_tolerance: z.number().nonnegative().default(0),
  }),
  prepare(rows, { which, absolute_tolerance, relative_tolerance }) {
    const read = (text: string): number | undefined => numbersIn(text).at(which === 'last' ? -1 : 0);
    const answers = rows.map((row) => read(row.prediction));
    const perItem = rows.map((row, i) => {
      const expected = referencesOf('number_match', row).map(read);
      if (expected.includes(undefined))
        throw badRow('number_match', row, 'a number in every reference', 'none');
      const answer = answers[i];
      if (answer === undefined) return 0;
      const near = (number: number): boolean =>
        Math.abs(answer - number) <= Math.max(absolute_tolerance, relative_tolerance * Math.abs(number));
      return Number((expected as number[]).some(near));
    });
    return {
      ...shareOfItems(perItem),
      variant: which,
      invalid: answers.filter((answer) => answer === undefined).length,
    };
  },
});

const SQUAD = "SQuAD's evaluation script";
const CMRC = "CMRC 2018's evaluation script, v5";

export const ANSWER_METRICS = {
  exact_match: exactMatch,
  squad_em: best(
    'squad_em',
    'share',
    'Exact match after lower case, without ASCII punctuation and English articles.',
    `${SQUAD} 1.1. For English.`,
    (answer, reference) => Number(squadText(answer) === squadText(reference)),
  ),
  squad_f1: best(
    'squad_f1',
    'mean',
    'F1 of the bags of words, after the same normalisation.',
    `${SQUAD} 2.0: two empty answers agree. For English.`,
    squadF1,
  ),
  cmrc_em: best(
    'cmrc_em',
    'share',
    'Exact match after lower case and without the listed punctuation.',
    `${CMRC}. For Chinese.`,
    cmrcExact,
  ),
  cmrc_f1: best(
    'cmrc_f1',
    'mean',
    'F1 of the longest common run of tokens, Han characters one by one.',
    `${CMRC}. For Chinese; English inside is cut at spaces and punctuation, where the script uses NLTK.`,
    cmrcF1,
  ),
  'token_f1@zh-char': best(
    'token_f1@zh-char',
    'mean',
    'F1 of the bags of tokens: Han characters one by one, other words whole, no punctuation.',
    'SQuAD 2.0 F1 with Chinese tokens; full-width letters and digits count as ASCII.',
    (answer, reference) => bagF1(characterTokens(answer), characterTokens(reference)),
  ),
  number_match: numberMatch,
} as const satisfies Partial<Record<MetricName, MetricDefinition>>;
