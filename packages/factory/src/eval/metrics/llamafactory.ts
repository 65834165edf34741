// In: rows with a reference. Out: the BLEU-4 and ROUGE of LLaMA-Factory's `predict_with_generate`, to the last digit.
// For comparison only: an exactly right short answer scores far below 100 and a wrong one far above 0.
import { z } from 'zod';
import type { MetricName } from '#factory/records/metric-names.ts';
import { hanCharacters } from './chinese-words.ts';
import { referencesOf } from './corpus-sums.ts';
import {
  countFailures,
  defineMetric,
  type MetricDefinition,
  type MetricPorts,
  meanOfItems,
} from './definition.ts';
import { clippedMatches, ngramCounts, splitWords, subsequenceLength, totalOf, trimEnd } from './words.ts';

const noOptions = z.strictObject({});

/** Sentence BLEU of characters (spaces too), NLTK's smoothing method 3, times 100, rounded to four places. */
function characterBleu(answer: string, reference: string): number {
  const [found, expected] = [[...answer], [...reference]];
  let [logs, smoothed] = [0, 0];
  for (let n = 1; n <= 4; n++) {
    const counts = ngramCounts(found, n, '');
    const matches = clippedMatches(counts, ngramCounts(expected, n, ''));
    if (n === 1 && matches === 0) return 0;
    const total = Math.max(1, totalOf(counts));
    logs += Math.log(matches > 0 ? matches / total : 1 / (2 ** ++smoothed * total)) / 4;
  }
  const brevity = found.length > expected.length ? 1 : Math.exp(1 - expected.length / found.length);
  return round4(100 * brevity * Math.exp(logs));
}

type RougeKind = '1' | '2' | 'l';

/** rouge_chinese 1.0.3 on words joined by spaces. */
function chineseRouge(kind: RougeKind, answer: readonly string[], reference: readonly string[]): number {
  const [found, expected] = [sentenceWords(answer.join(' ')), sentenceWords(reference.join(' '))];
  if (splitWords(answer.join(' ')).length === 0 || splitWords(reference.join(' ')).length === 0) return 0;
  if (kind === 'l')
    return round4(100 * score(subsequenceLength(expected, found), found.length, expected.length));
  const distinct = (words: string[]): Set<string> => new Set(ngramCounts(words, Number(kind), ' ').keys());
  const [foundSet, expectedSet] = [distinct(found), distinct(expected)];
  return round4(
    100 *
      score([...foundSet].filter((ngram) => expectedSet.has(ngram)).length, foundSet.size, expectedSet.size),
  );
}

function score(overlap: number, found: number, expected: number): number {
  const precision = found === 0 ? 0 : overlap / found;
  const recall = expected === 0 ? 0 : overlap / expected;
  return 2 * ((precision * recall) / (precision + recall + 1e-8));
}

/** Cut into sentences, then into words. A sentence of spaces gives an empty word, which counts. */
function sentenceWords(text: string): string[] {
  const cut = text
    .replace(/([。！？?])([^”’])/gu, '$1\n$2')
    .replace(/(\.{6})([^”’])/gu, '$1\n$2')
    .replace(/(…{2})([^”’])/gu, '$1\n$2')
    .replace(/([。！？?][”’])([^，。！？?])/gu, '$1\n$2');
  return trimEnd(cut)
    .split('\n')
    .filter((sentence) => sentence !== '')
    .flatMap((sentence) => splitWords(sentence).join(' ').split(' '));
}

/** Python's round(x, 4): a tie (an odd number of 32nds) goes to the even digit. */
function round4(value: number): number {
  const tie = Number.isInteger(value * 32) && (value * 32) % 2 !== 0;
  if (!tie) return Number(value.toFixed(4));
  const below = Math.floor(value * 1e4);
  return (below % 2 === 0 ? below : below + 1) / 1e4;
}

const SOURCE =
  'LLaMA-Factory 0.9.6 (jieba 0.42.1, rouge_chinese 1.0.3, NLTK). Rows are rounded to four places, then averaged.';

const rouge = (kind: RougeKind, what: string): MetricDefinition => {
  const name = `rouge-${kind}@llamafactory` as const;
  return defineMetric({
    name,
    direction: 'higher',
    range: [0, 100],
    summary: `F-score of ${what}. For comparison only.`,
    source: `${SOURCE} Sets of n-grams, so repetition is free; 0 when either side is empty.`,
    comparisonOnly: true,
    options: noOptions,
    prepare(rows, _, ports: MetricPorts) {
      const cut = ports.segmentChinese ?? hanCharacters;
      const perItem = rows.map((row) =>
        chineseRouge(kind, cut(row.prediction), cut(referencesOf(name, row)[0])),
      );
      const variant = ports.segmentChinese ? {} : { variant: 'han-chars' };
      return { ...meanOfItems(perItem), ...variant, invalid: countFailures(rows) };
    },
  });
};

const bleu4 = defineMetric({
  name: 'bleu-4@llamafactory',
  direction: 'higher',
  range: [0, 100],
  summary: 'Sentence BLEU-4 of characters, mean over rows. For comparison only.',
  source: `${SOURCE} An exactly right answer of one character scores 35.36, of two 59.46, of three 84.09.`,
  comparisonOnly: true,
  options: noOptions,
  prepare(rows) {
    const perItem = rows.map((row) =>
      characterBleu(row.prediction, referencesOf('bleu-4@llamafactory', row)[0]),
    );
    return { ...meanOfItems(perItem), invalid: countFailures(rows) };
  },
});

export const LLAMAFACTORY_METRICS = {
  'bleu-4@llamafactory': bleu4,
  'rouge-1@llamafactory': rouge('1', 'common words'),
  'rouge-2@llamafactory': rouge('2', 'common word pairs'),
  'rouge-l@llamafactory': rouge('l', 'the longest common subsequence of words'),
} as const satisfies Partial<Record<MetricName, MetricDefinition>>;
