// In: a metric's name. Out: its definition. The table is total: a name without a definition does not compile.
import { FactoryError } from '#factory/errors.ts';
import { METRIC_NAMES, type MetricName } from '#factory/records/metric-names.ts';
import { ANSWER_METRICS } from './answers.ts';
import { BEHAVIOUR_METRICS } from './behaviour.ts';
import { BLEU_METRICS } from './bleu.ts';
import { CHRF_METRICS } from './chrf.ts';
import { CLASSIFICATION_METRICS } from './classification.ts';
import { CONFIDENCE_METRICS } from './confidence.ts';
import type { MetricDefinition } from './definition.ts';
import { LATENCY_METRICS } from './latency.ts';
import { LIKELIHOOD_METRICS } from './likelihood.ts';
import { LLAMAFACTORY_METRICS } from './llamafactory.ts';
import { ROUGE_METRICS } from './rouge.ts';
import { STRUCTURED_METRICS } from './structured.ts';
import { TER_METRICS } from './ter.ts';

export const METRICS: Record<MetricName, MetricDefinition> = {
  ...CLASSIFICATION_METRICS,
  ...CONFIDENCE_METRICS,
  ...BLEU_METRICS,
  ...CHRF_METRICS,
  ...TER_METRICS,
  ...ROUGE_METRICS,
  ...LLAMAFACTORY_METRICS,
  ...ANSWER_METRICS,
  ...STRUCTURED_METRICS,
  ...BEHAVIOUR_METRICS,
  ...LIKELIHOOD_METRICS,
  ...LATENCY_METRICS,
};

/** For names that people wrote. */
export function findMetric(name: string): MetricDefinition {
  if (Object.hasOwn(METRICS, name)) return METRICS[name as MetricName];
  const near = METRIC_NAMES.filter((known) => known.startsWith(name) || name.startsWith(known.split('@')[0]));
  throw new FactoryError({
    code: 'EVAL_UNKNOWN_METRIC',
    message: `expected the name of a metric, found "${name}"${near.length > 0 ? `; there are ${near.join(', ')}` : ''}`,
    remedy: 'Write one of the names that the documentation of metrics lists.',
  });
}
