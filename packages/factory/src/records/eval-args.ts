// In: nothing. Out: what `tunesmith eval` is asked to do, beyond the keys that it shares with training. The table that
// parses these keys is cli/eval-keys.ts; the rules between them are arguments/check-eval.ts.

export type EvalTaskKind = 'classification' | 'generation' | 'perplexity';
export type LengthNormalization = 'none' | 'tokens' | 'bytes' | 'characters';

/** Prompts that are made from columns. Texts are Jinja over the row's columns, or the bare name of a column. */
export interface PromptArgs {
  doc_to_text: string | null;
  doc_to_target: string | null;
  /** One template per choice, or the name of a column with a list. Empty: the labels. */
  doc_to_choice: string[];
  description: string;
  target_delimiter: string;
  num_fewshot: number;
  fewshot_file: string | null;
  /** Examples come from the rows that have the same value in this column. */
  fewshot_by: string | null;
  fewshot_delimiter: string;
  /** Put the prompt into the model's chat template; null: only where the data set holds conversations. */
  apply_chat_template: boolean | null;
}

export interface EndpointArgs {
  endpoint: string | null;
  /** Its name at the endpoint. */
  model: string | null;
  /** The environment variable that holds the key. */
  api_key_env: string;
  concurrency: number;
  /** Further tries after the first, for errors that may pass. */
  retries: number;
  /** Seconds for one answer. */
  timeout: number;
}

export interface EvalArgs extends PromptArgs, EndpointArgs {
  name: string | null;
  task: EvalTaskKind;
  predict: 'logprob' | 'generate' | null;
  file: string[];
  labels: string[];
  label_match: 'exact' | 'ignore-case' | 'mention' | null;
  length_normalization: LengthNormalization;
  metrics: string[];
  metric_options: Record<string, unknown>;
  business_metrics: string | null;
  slices: string[];
  cluster: string | null;
  stop: string[];
  confidence_level: number;
  resamples: number;
  /** Rows answered one at a time to measure latency. */
  latency_rows: number;
  trained_on: string[];
  allow_overlap: boolean;
}
