// In: nothing. Out: what `tunesmith serve` is asked to do. The table that parses these keys is arguments/table-serve.ts; the rules
// between them, and entries of `models`, are read by arguments/serve-args.ts.

import type { InferenceLogLevel } from './inference.ts';

/** A model behind another OpenAI-compatible server. */
export interface UpstreamEntry {
  kind: 'upstream';
  id: string;
  /** Up to and with `/v1`. */
  upstream: string;
  /** Its name there. */
  model: string;
  /** The environment variable that holds the key of the upstream; null sends none. */
  api_key_env: string | null;
  /** Tokens of prompt and answer together; null is not known. */
  context_size: number | null;
  /** Longest silence in seconds, before and between bytes. */
  timeout: number;
  retries: number;
  max_tokens_name: 'max_tokens' | 'max_completion_tokens';
}

/** A model that this machine runs. */
export interface EmbeddedEntry {
  kind: 'embedded';
  id: string;
  path: string;
  template: string | null;
  /** Id of a served model that this file is an adapter for; null opens a model of its own. */
  base: string | null;
  /** Of the adapter. */
  scale: number;
  /** Tokens of prompt and answer together; null takes what the model was trained on, as far as memory allows. */
  context_size: number | null;
  /** Answers at the same time. */
  slots: number | null;
  threads: number | null;
  gpu: 'off' | 'auto' | 'cuda' | 'vulkan' | 'metal';
  /** Layers on the GPU; null puts as many there as fit. */
  gpu_layers: number | null;
  /** Keep the weights from being swapped out. */
  mlock: boolean;
  adapters: { id: string; path: string; scale: number }[];
}

export type ModelEntry = UpstreamEntry | EmbeddedEntry;

export interface ServeArgs {
  models: ModelEntry[];
  host: string;
  port: number;
  /** Megabytes (1e6 bytes) of one request. */
  body_limit: number;
  /** Seconds of one answer. */
  request_timeout: number;
  max_concurrent: number;
  max_concurrent_per_key: number | null;
  max_queue: number;
  /** Seconds. */
  queue_timeout: number;
  /** Seconds that a shutdown waits for answers under way. */
  shutdown_timeout: number;
  /** Null: keys are needed where a source of keys is named, or other machines reach the server. */
  require_keys: boolean | null;
  keys_file: string;
  /** Lines of `KEY` or `KEY scope,scope`. */
  api_key_file: string | null;
  api_key_env: string;
  cors_origin: string[];
  /** `stderr`, `off`, or a file. */
  access_log: string;
  /** Of inferences: nothing, what was counted and timed, or texts too. */
  log: InferenceLogLevel;
  log_file: string;
  /** Days; null keeps all. */
  log_retention: number | null;
  /** Replace personal data in texts. */
  log_redact: boolean;
  otlp_endpoint: string | null;
}
