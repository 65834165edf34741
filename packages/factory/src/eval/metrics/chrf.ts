// In: rows with references. Out: chrF and chrF++ as sacrebleu 2.6 computes them, with their signatures.
// Character n-grams need no tokenizer, so Chinese and English are treated alike.
import { z } from 'zod';
import type { MetricName } from '#factory/records/metric-names.ts';
import { referenceCount, referencesOf, SACREBLEU, statisticOfSums } from './corpus-sums.ts';
import { countFailures, defineMetric, type MetricDefinition } from './definition.ts';
import { clippedMatches, ngramCounts, splitWords, totalOf } from './words.ts';

const CHARACTER_ORDER = 6;
/** Recall counts beta² times as much as precision. */
const BETA = 2;
const PUNCTUATION = new Set('!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~');

const options = z.strictObject({ lowercase: z.boolean().default(false) });

const chrf = (
  name: 'chrf' | 'chrf++',
  wordOrder: number,
  summary: string,
  source: string,
): MetricDefinition =>
  defineMetric({
    name,
    direction: 'higher',
    range: [0, 100],
    summary,
    source: `${source}, as in sacrebleu 2.6.0 (beta 2, white space left out). 0 when nothing matches.`,
    options,
    prepare(rows, { lowercase }) {
      const read = (text: string): Map<string, number>[] =>
        countsOf(lowercase ? text.toLowerCase() : text, wordOrder);
      const perRow = rows.map((row) => {
        const answer = read(row.prediction);
        const candidates = referencesOf(name, row).map((reference) => matchesOf(answer, read(reference)));
        return candidates.reduce((best, other) => (scoreOf(other) > scoreOf(best) ? other : best));
      });
      return {
        value: statisticOfSums(perRow, scoreOf),
        invalid: countFailures(rows),
        signature: [
          `nrefs:${referenceCount(rows)}`,
          `case:${lowercase ? 'lc' : 'mixed'}`,
          `eff:yes|nc:${CHARACTER_ORDER}|nw:${wordOrder}|space:no|version:${SACREBLEU}`,
        ].join('|'),
      };
    },
  });

/** n-gram counts of characters, order 1 to 6, then of words, order 1 to `wordOrder`. */
function countsOf(text: string, wordOrder: number): Map<string, number>[] {
  const characters = [...splitWords(text).join('')];
  const words = wordOrder > 0 ? wordsOf(text) : [];
  return [
    ...Array.from({ length: CHARACTER_ORDER }, (_, i) => ngramCounts(characters, i + 1, '')),
    ...Array.from({ length: wordOrder }, (_, i) => ngramCounts(words, i + 1, ' ')),
  ];
}

/** One punctuation mark is cut off at the end of a word, else one at its beginning. */
function wordsOf(text: string): string[] {
  return splitWords(text).flatMap((word) => {
    const characters = [...word];
    const last = characters[characters.length - 1];
    if (characters.length === 1) return [word];
    if (PUNCTUATION.has(last)) return [characters.slice(0, -1).join(''), last];
    if (PUNCTUATION.has(characters[0])) return [characters[0], characters.slice(1).join('')];
    return [word];
  });
}

/** Per order: [n-grams of the answer, of the reference, in both]. */
function matchesOf(
  answer: readonly Map<string, number>[],
  reference: readonly Map<string, number>[],
): number[] {
  return answer.flatMap((counts, i) => [
    reference[i].size > 0 ? totalOf(counts) : 0,
    totalOf(reference[i]),
    clippedMatches(counts, reference[i]),
  ]);
}

function scoreOf(sums: ArrayLike<number>): number {
  let [precision, recall, orders] = [0, 0, 0];
  for (let i = 0; i < sums.length; i += 3) {
    if (sums[i] === 0 || sums[i + 1] === 0) continue;
    precision += sums[i + 2] / sums[i];
    recall += sums[i + 2] / sums[i + 1];
    orders++;
  }
  if (precision + recall === 0) return 0;
  precision /= orders;
  recall /= orders;
  return (100 * (1 + BETA ** 2) * precision * recall) / (BETA ** 2 * precision + recall);
}

export const CHRF_METRICS = {
  chrf: chrf('chrf', 0, 'F-score of character n-grams up to order 6, recall counting twice.', 'Popović 2015'),
  'chrf++': chrf('chrf++', 2, 'chrF with word unigrams and bigrams.', 'Popović 2017'),
} as const satisfies Partial<Record<MetricName, MetricDefinition>>;
