// In: rows with token log-probabilities, or with several attempts. Out: perplexity by token, word and byte, bits per byte,
// and pass@k. The variant is in the name: perplexities of different units, or tokenizers, cannot be compared.
import { z } from 'zod';
import type { MetricName } from '#factory/records/metric-names.ts';
import type { PredictionRow } from '#factory/records/scorecard.ts';
import { referencesOf, statisticOfSums } from './corpus-sums.ts';
import { badRow, countFailures, defineMetric, type MetricDefinition, meanOfItems } from './definition.ts';

const LM_EVAL =
  "lm-evaluation-harness's definition: of the whole corpus, no mean over rows. Needs logprobs of the first reference; rows that failed are left out.";

const likelihood = (
  name: MetricName,
  range: readonly [number, number],
  summary: string,
  unitsOf: (row: PredictionRow) => number,
  score: (logprob: number, units: number) => number,
): MetricDefinition =>
  defineMetric({
    name,
    direction: 'lower',
    range,
    summary,
    source: LM_EVAL,
    options: z.strictObject({}),
    prepare(rows) {
      const perRow = rows.map((row) => {
        if (row.failure !== undefined) return [0, 0];
        const { logprobs } = row;
        if (!logprobs?.length) throw badRow(name, row, 'logprobs of its tokens', 'none');
        const positive = logprobs.find((logprob) => !(logprob <= 0));
        if (positive !== undefined) throw badRow(name, row, 'logprobs of at most 0', `${positive}`);
        return [logprobs.reduce((sum, logprob) => sum + logprob, 0), unitsOf(row)];
      });
      return {
        value: statisticOfSums(perRow, ([logprob, units]) => score(logprob, units)),
        invalid: countFailures(rows),
        undefinedWhen: 'a token has probability 0, the references are empty, or every row failed',
      };
    },
  });

const perplexity = (logprob: number, units: number): number =>
  units > 0 ? Math.exp(-logprob / units) : Number.NaN;
const tokensOf = (row: PredictionRow): number => row.logprobs!.length;
const wordsOf =
  (name: MetricName) =>
  (row: PredictionRow): number =>
    referencesOf(name, row)[0].split(/\s+/u).length;
const bytesOf =
  (name: MetricName) =>
  (row: PredictionRow): number =>
    Buffer.byteLength(referencesOf(name, row)[0], 'utf8');

/** 1 − C(n − c, k) / C(n, k): the chance that one of k of the n answers is among the c that passed; n ≥ k. */
export function passAtK(made: number, passed: number, k: number): number {
  if (made - passed < k) return 1;
  let allFail = 1;
  for (let i = made - passed + 1; i <= made; i++) allFail *= 1 - k / i;
  return 1 - allFail;
}

const passAt = defineMetric({
  name: 'pass@k',
  direction: 'higher',
  range: [0, 1],
  summary: 'Chance that at least one of k answers passes, from n ≥ k answers per row; mean over rows.',
  source: 'Chen et al. 2021 (HumanEval), the unbiased estimate. A row with fewer than k answers is refused.',
  options: z.strictObject({ k: z.int().positive() }),
  prepare(rows, { k }) {
    const perItem = rows.map((row) => {
      if (row.failure !== undefined) return 0;
      const { made, passed } = row.attempts ?? { made: 0, passed: 0 };
      if (made < k) throw badRow('pass@k', row, `at least ${k} attempts`, `${made}`);
      if (!(passed >= 0 && passed <= made))
        throw badRow('pass@k', row, `0 to ${made} passed attempts`, `${passed}`);
      return passAtK(made, passed, k);
    });
    return { ...meanOfItems(perItem), named: `pass@${k}`, invalid: countFailures(rows) };
  },
});

export const LIKELIHOOD_METRICS = {
  'perplexity@token': likelihood(
    'perplexity@token',
    [1, Number.POSITIVE_INFINITY],
    'exp of the mean negative log-probability of a token.',
    tokensOf,
    perplexity,
  ),
  'perplexity@word': likelihood(
    'perplexity@word',
    [1, Number.POSITIVE_INFINITY],
    'exp of the negative log-probability per word between spaces; of no use for Chinese.',
    wordsOf('perplexity@word'),
    perplexity,
  ),
  'perplexity@byte': likelihood(
    'perplexity@byte',
    [1, Number.POSITIVE_INFINITY],
    'exp of the negative log-probability per byte of UTF-8; comparable between tokenizers.',
    bytesOf('perplexity@byte'),
    perplexity,
  ),
  bits_per_byte: likelihood(
    'bits_per_byte',
    [0, Number.POSITIVE_INFINITY],
    'Negative log-probability (base 2) per byte of UTF-8; comparable between tokenizers.',
    bytesOf('bits_per_byte'),
    (logprob, bytes) => (bytes > 0 ? -logprob / (bytes * Math.LN2) : Number.NaN),
  ),
  'pass@k': passAt,
} as const satisfies Partial<Record<MetricName, MetricDefinition>>;
