// In: nothing. Out: the names of all metrics, as configuration files and scorecards write them; after `@` comes the
// variant. What each one means is its definition in eval/metrics/registry.ts.

const CLASSIFICATION = [
  'accuracy',
  'balanced_accuracy',
  'validity_rate',
  'precision_macro',
  'precision_weighted',
  'precision_micro',
  'precision_per_class',
  'recall_macro',
  'recall_weighted',
  'recall_micro',
  'recall_per_class',
  'f1_macro',
  'f1_macro@invalid-as-class',
  'f1_weighted',
  'f1_micro',
  'f1_per_class',
  'mcc',
  'cohen_kappa',
  'expected_cost',
] as const;

const CONFIDENCE = [
  'ece@equal-width',
  'ece@equal-mass',
  'brier@multiclass',
  'brier@binary',
  'log_loss',
  'aurc',
  'accuracy_at_coverage',
  'coverage_at_accuracy',
  'recall_at_precision',
] as const;

const OVERLAP = [
  'bleu@13a',
  'bleu@zh',
  'bleu@intl',
  'bleu@char',
  'bleu@none',
  'chrf',
  'chrf++',
  'ter',
  'rouge1',
  'rouge2',
  'rougeL',
  'rougeLsum',
  'bleu-4@llamafactory',
  'rouge-1@llamafactory',
  'rouge-2@llamafactory',
  'rouge-l@llamafactory',
] as const;

const ANSWERS = [
  'exact_match',
  'squad_em',
  'squad_f1',
  'cmrc_em',
  'cmrc_f1',
  'token_f1@zh-char',
  'number_match',
  'json_valid',
  'json_schema',
  'tool_name_match',
  'tool_call_match',
  'refusal_rate',
  'language_match',
  'length_ratio@chars',
  'length_ratio@words',
  'pass@k',
] as const;

const LIKELIHOOD = ['perplexity@token', 'perplexity@word', 'perplexity@byte', 'bits_per_byte'] as const;

const LATENCY = [
  'first_token_ms@p50',
  'first_token_ms@p95',
  'first_token_ms@p99',
  'last_token_ms@p50',
  'last_token_ms@p95',
  'last_token_ms@p99',
  'tokens_per_second',
] as const;

export const METRIC_GROUPS = {
  Classes: CLASSIFICATION,
  'Confidence in classes': CONFIDENCE,
  'Overlap with references': OVERLAP,
  Answers: ANSWERS,
  Likelihood: LIKELIHOOD,
  Latency: LATENCY,
} as const;

export const METRIC_NAMES = Object.values(METRIC_GROUPS).flat();

export type MetricName = (typeof METRIC_NAMES)[number];
