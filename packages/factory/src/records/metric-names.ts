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

export const METRIC_NAMES = [...CLASSIFICATION, ...CONFIDENCE, ...OVERLAP] as const;

export type MetricName = (typeof METRIC_NAMES)[number];
