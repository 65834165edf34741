// In: rows with references. Out: corpus BLEU as sacrebleu 2.6 computes it, with its signature, one metric per tokenizer.
// The value is of the whole corpus and no mean over rows, so it has no value per row.
import { z } from 'zod';
import type { MetricName } from '#factory/records/metric-names.ts';
import { BLEU_TOKENIZERS, type BleuTokenizer } from './bleu-tokenizers.ts';
import { referenceCount, referencesOf, SACREBLEU, statisticOfSums } from './corpus-sums.ts';
import { countFailures, defineMetric, type MetricDefinition } from './definition.ts';
import { clippedMatches, ngramCounts, totalOf, trimEnd } from './words.ts';

const ORDER = 4;

/** Smoothing → its default value, where it takes one. */
const SMOOTHING = { exp: null, floor: 0.1, 'add-k': 1, none: null } as const;
type Smoothing = keyof typeof SMOOTHING;

const options = z.strictObject({
  lowercase: z.boolean().default(false),
  smooth_method: z.enum(['exp', 'floor', 'add-k', 'none']).default('exp'),
  smooth_value: z.number().nonnegative().optional(),
  /** Leave out orders without n-grams; for single sentences. */
  effective_order: z.boolean().default(false),
});
type BleuOptions = z.infer<typeof options>;

const bleu = (tokenizer: BleuTokenizer, hint: string): MetricDefinition => {
  const name = `bleu@${tokenizer}` as const;
  return defineMetric({
    name,
    direction: 'higher',
    range: [0, 100],
    summary: `Corpus BLEU with the tokenizer ${tokenizer}: ${hint}.`,
    source: 'Papineni et al. 2002, as in sacrebleu 2.6.0. 0 when no word matches.',
    options,
    prepare(rows, given) {
      const tokenize = (text: string): string[] =>
        BLEU_TOKENIZERS[tokenizer](trimEnd(given.lowercase ? text.toLowerCase() : text));
      const perRow = rows.map((row) =>
        statisticsOf(tokenize(row.prediction), referencesOf(name, row).map(tokenize)),
      );
      return {
        value: statisticOfSums(perRow, (sums) => scoreOf(sums, given)),
        invalid: countFailures(rows),
        signature: [
          `nrefs:${referenceCount(rows)}`,
          `case:${given.lowercase ? 'lc' : 'mixed'}`,
          `eff:${given.effective_order ? 'yes' : 'no'}`,
          `tok:${tokenizer}`,
          `smooth:${given.smooth_method}${smoothLabel(given)}`,
          `version:${SACREBLEU}`,
        ].join('|'),
      };
    },
  });
};

function smoothLabel({ smooth_method, smooth_value }: BleuOptions): string {
  const value = smooth_value ?? SMOOTHING[smooth_method as Smoothing];
  return SMOOTHING[smooth_method] === null ? '' : `[${value!.toFixed(2)}]`;
}

/** [answer length, closest reference length, matches of order 1 to 4, n-grams of order 1 to 4]. */
function statisticsOf(answer: readonly string[], references: readonly string[][]): number[] {
  const lengths = references.map((reference) => reference.length);
  const distance = (length: number): number => Math.abs(answer.length - length);
  const closest = lengths.reduce((best, length) =>
    distance(length) < distance(best) || (distance(length) === distance(best) && length < best)
      ? length
      : best,
  );
  const [matches, totals] = [new Array<number>(ORDER), new Array<number>(ORDER)];
  for (let n = 1; n <= ORDER; n++) {
    const most = new Map<string, number>();
    for (const reference of references) {
      for (const [ngram, count] of ngramCounts(reference, n, ' '))
        most.set(ngram, Math.max(count, most.get(ngram) ?? 0));
    }
    const counts = ngramCounts(answer, n, ' ');
    matches[n - 1] = clippedMatches(counts, most);
    totals[n - 1] = totalOf(counts);
  }
  return [answer.length, closest, ...matches, ...totals];
}

function scoreOf(sums: Float64Array, { smooth_method, smooth_value, effective_order }: BleuOptions): number {
  const [length, reference] = sums;
  if (sums.subarray(2, 2 + ORDER).every((matches) => matches === 0)) return 0;
  const value = smooth_value ?? SMOOTHING[smooth_method] ?? 0;
  const precisions = new Array<number>(ORDER).fill(0);
  let [zeros, orders] = [0, ORDER];
  for (let n = 1; n <= ORDER; n++) {
    const added = smooth_method === 'add-k' && n > 1 ? value : 0;
    const matches = sums[1 + n] + added;
    const total = sums[1 + ORDER + n] + added;
    if (total === 0) break;
    if (effective_order) orders = n;
    if (matches > 0) precisions[n - 1] = (100 * matches) / total;
    else if (smooth_method === 'exp') precisions[n - 1] = 100 / (2 ** ++zeros * total);
    else if (smooth_method === 'floor') precisions[n - 1] = (100 * value) / total;
  }
  const brevity = length < reference ? Math.exp(1 - reference / length) : 1;
  const logs = precisions
    .slice(0, orders)
    .map((precision) => (precision === 0 ? -9999999999 : Math.log(precision)));
  return brevity * Math.exp(logs.reduce((sum, log) => sum + log, 0) / orders);
}

export const BLEU_METRICS = {
  'bleu@13a': bleu('13a', 'for languages with spaces'),
  'bleu@zh': bleu('zh', 'for Chinese, each character a token'),
  'bleu@intl': bleu('intl', 'punctuation and symbols of all scripts apart'),
  'bleu@char': bleu('char', 'each character a token'),
  'bleu@none': bleu('none', 'for text that has spaces between its tokens'),
} as const satisfies Partial<Record<MetricName, MetricDefinition>>;
