// In: the names and options of metrics as people wrote them, and the task. Out: metric requests with all of their options,
// checked before any row is answered. Without names, the metrics that suit the task.
import { FactoryError } from '#factory/errors.ts';
import type { EvalArgs } from '#factory/records/eval-args.ts';
import type { MetricRequest } from '#factory/records/evaluation.ts';
import type { MetricName } from '#factory/records/metric-names.ts';
import { badOption, type MetricDefinition, optionKeys } from './metrics/definition.ts';
import { findMetric } from './metrics/registry.ts';

const SUITABLE: Record<string, readonly MetricName[]> = {
  'classification/logprob': ['accuracy', 'f1_macro', 'f1_per_class', 'ece@equal-width'],
  'classification/generate': ['accuracy', 'f1_macro', 'f1_per_class', 'validity_rate'],
  'generation/generate': ['exact_match', 'token_f1@zh-char', 'chrf', 'length_ratio@chars'],
  'perplexity/reference': ['perplexity@token', 'perplexity@byte', 'bits_per_byte'],
};

export const LATENCY: readonly MetricName[] = [
  'first_token_ms@p50',
  'first_token_ms@p95',
  'first_token_ms@p99',
  'last_token_ms@p50',
  'last_token_ms@p95',
  'last_token_ms@p99',
];

/** Metrics that read the log-probabilities of the reference. */
const READS_REFERENCE: readonly MetricName[] = [
  'perplexity@token',
  'perplexity@word',
  'perplexity@byte',
  'bits_per_byte',
];

export interface MetricPlan {
  requests: MetricRequest[];
  needsReferenceLogprobs: boolean;
}

type Wish = Pick<EvalArgs, 'task' | 'metrics' | 'metric_options' | 'label_match'>;

export function planMetrics(
  { task, metrics, metric_options, label_match }: Wish,
  predict: 'logprob' | 'generate' | 'reference',
  labels: readonly string[],
): MetricPlan {
  const names = metrics.length > 0 ? metrics : SUITABLE[`${task}/${predict}`];
  for (const name of Object.keys(metric_options))
    if (!(names as readonly string[]).includes(name))
      throw new FactoryError({
        code: 'EVAL_BAD_OPTION',
        message: `metric_options has options for ${name}, which is none of the metrics ${names.join(', ')}`,
        remedy: `Add ${name} to metrics, or remove its options.`,
      });
  const requests = [...new Set(names)].map((name): MetricRequest => {
    const metric = findMetric(name);
    const own = metric_options[name] ?? {};
    if (typeof own !== 'object' || Array.isArray(own)) throw badOption(metric.name, 'they are no object');
    const known = optionKeys(metric).map((key) => key.name);
    const defaults = {
      ...(known.includes('labels') && labels.length > 0 ? { labels: [...labels] } : {}),
      ...(known.includes('label_match') ? { label_match: label_match ?? matchFor(predict) } : {}),
    };
    const options = { ...defaults, ...(own as Record<string, unknown>) };
    check(metric, options);
    return { name: metric.name, options };
  });
  const needsReferenceLogprobs = requests.some(({ name }) => READS_REFERENCE.includes(name));
  return { requests, needsReferenceLogprobs };
}

/** A generated answer may say more than the label; a chosen one is the label. */
const matchFor = (predict: string) => (predict === 'generate' ? 'mention' : 'exact');

function check(metric: MetricDefinition, options: Record<string, unknown>): void {
  const parsed = metric.options.safeParse(options);
  if (!parsed.success)
    throw badOption(
      metric.name,
      parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'options'}: ${message}`).join('; '),
    );
}
