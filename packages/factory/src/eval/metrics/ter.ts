// In: rows with references. Out: translation edit rate as sacrebleu 2.6 computes it, with its signature.
import { z } from 'zod';
import type { MetricName } from '#factory/records/metric-names.ts';
import { referenceCount, referencesOf, SACREBLEU, statisticOfSums } from './corpus-sums.ts';
import { countFailures, defineMetric, type MetricDefinition } from './definition.ts';
import { translationEdits } from './edit-rate.ts';
import { splitWords } from './words.ts';

const ter = defineMetric({
  name: 'ter',
  direction: 'lower',
  range: [0, Number.POSITIVE_INFINITY],
  summary: 'Edits (insert, delete, replace, shift a block) per 100 words of the reference.',
  source:
    'Snover et al. 2006, as in sacrebleu 2.6.0 with its defaults (not normalised). Words need spaces: of no use for Chinese.',
  options: z.strictObject({ case_sensitive: z.boolean().default(false) }),
  prepare(rows, { case_sensitive }) {
    const read = (text: string): string[] => splitWords(case_sensitive ? text : text.toLowerCase());
    const perRow = rows.map((row) => {
      const answer = read(row.prediction);
      const references = referencesOf('ter', row).map(read);
      const edits = Math.min(...references.map((reference) => translationEdits(answer, reference)));
      return [edits, references.reduce((sum, reference) => sum + reference.length, 0) / references.length];
    });
    return {
      value: statisticOfSums(perRow, ([edits, length]) =>
        length > 0 ? (100 * edits) / length : edits > 0 ? 100 : 0,
      ),
      invalid: countFailures(rows),
      signature: [
        `nrefs:${referenceCount(rows)}`,
        `case:${case_sensitive ? 'mixed' : 'lc'}`,
        `tok:tercom|norm:no|punct:yes|asian:no|version:${SACREBLEU}`,
      ].join('|'),
    };
  },
});

export const TER_METRICS = { ter } as const satisfies Partial<Record<MetricName, MetricDefinition>>;
