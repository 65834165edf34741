// In: rows with references. Out: ROUGE-1, -2, -L and -Lsum (F) as google-research's rouge-score 0.1.2 computes them.
// Its tokenizer keeps a–z and 0–9 only: every Chinese text scores 0. Use chrF or BLEU@zh there.
import { z } from 'zod';
import type { MetricName } from '#factory/records/metric-names.ts';
import { referencesOf } from './corpus-sums.ts';
import { countFailures, defineMetric, type MetricDefinition, meanOfItems } from './definition.ts';
import { porterStem } from './porter-stemmer.ts';
import { clippedMatches, ngramCounts, subsequenceLength, subsequenceTable, totalOf } from './words.ts';

export interface RougeScore {
  precision: number;
  recall: number;
  f: number;
}

export type RougeType = 'rouge1' | 'rouge2' | 'rougeL' | 'rougeLsum';

/** Multi-line texts are cut at line ends for rougeLsum. */
export function rougeScore(
  type: RougeType,
  reference: string,
  answer: string,
  useStemmer: boolean,
): RougeScore {
  const read = (text: string): string[] => tokensOf(text, useStemmer);
  if (type === 'rougeLsum') {
    const lines = (text: string): string[][] =>
      text
        .split('\n')
        .filter((line) => line !== '')
        .map(read);
    return summaryScore(lines(reference), lines(answer));
  }
  const [expected, found] = [read(reference), read(answer)];
  if (type === 'rougeL') return scoreOf(subsequenceLength(expected, found), found.length, expected.length);
  const n = type === 'rouge1' ? 1 : 2;
  const [expectedCounts, foundCounts] = [ngramCounts(expected, n, ' '), ngramCounts(found, n, ' ')];
  return scoreOf(clippedMatches(expectedCounts, foundCounts), totalOf(foundCounts), totalOf(expectedCounts));
}

function tokensOf(text: string, useStemmer: boolean): string[] {
  const words = text
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '');
  return useStemmer ? words.map((word) => (word.length > 3 ? porterStem(word) : word)) : words;
}

function scoreOf(hits: number, found: number, expected: number): RougeScore {
  const precision = hits / Math.max(found, 1);
  const recall = hits / Math.max(expected, 1);
  return {
    precision,
    recall,
    f: precision + recall > 0 ? (2 * precision * recall) / (precision + recall) : 0,
  };
}

/** Lin 2004, 3.2: a reference line's words that any answer line keeps in order, each word at most as often as it occurs. */
function summaryScore(reference: readonly string[][], answer: readonly string[][]): RougeScore {
  const left = [ngramCounts(reference.flat(), 1, ' '), ngramCounts(answer.flat(), 1, ' ')];
  let hits = 0;
  for (const line of reference) {
    const kept = new Set(answer.flatMap((other) => keptPositions(line, other)));
    for (const word of line.filter((_, i) => kept.has(i))) {
      if (left.some((counts) => !counts.get(word))) continue;
      for (const counts of left) counts.set(word, counts.get(word)! - 1);
      hits++;
    }
  }
  return scoreOf(hits, answer.flat().length, reference.flat().length);
}

/** Positions in `line` of one longest common subsequence. */
function keptPositions(line: readonly string[], other: readonly string[]): number[] {
  const table = subsequenceTable(line, other);
  const kept: number[] = [];
  let [i, j] = [line.length, other.length];
  while (i > 0 && j > 0) {
    if (line[i - 1] === other[j - 1]) {
      kept.push(i - 1);
      i--;
      j--;
    } else if (table[i][j - 1] > table[i - 1][j]) j--;
    else i--;
  }
  return kept;
}

const rouge = (name: RougeType, what: string): MetricDefinition =>
  defineMetric({
    name,
    direction: 'higher',
    range: [0, 1],
    summary: `F-score of ${what}, mean over rows; the best reference counts.`,
    source: 'Lin 2004, as in rouge-score 0.1.2. Only a–z and 0–9 are kept, so Chinese scores 0.',
    options: z.strictObject({ use_stemmer: z.boolean().default(false) }),
    prepare(rows, { use_stemmer }) {
      const perItem = rows.map((row) =>
        Math.max(
          ...referencesOf(name, row).map(
            (reference) => rougeScore(name, reference, row.prediction, use_stemmer).f,
          ),
        ),
      );
      return {
        ...meanOfItems(perItem),
        ...(use_stemmer ? { variant: 'porter' } : {}),
        invalid: countFailures(rows),
      };
    },
  });

export const ROUGE_METRICS = {
  rouge1: rouge('rouge1', 'common words'),
  rouge2: rouge('rouge2', 'common word pairs'),
  rougeL: rouge('rougeL', 'the longest common subsequence of words'),
  rougeLsum: rouge('rougeLsum', 'longest common subsequences, line by line'),
} as const satisfies Partial<Record<MetricName, MetricDefinition>>;
