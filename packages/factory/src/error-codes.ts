// In: nothing. Out: every code that a FactoryError may carry, with its kind and its shell exit status.
// Kinds: `user` (input or data; exit 2), `environment` (disk, port, memory; exit 3), `gate` (a rule said no; exit 1).
// Bugs are not here: they are `invariant` failures (exit 4).

type Kind = 'user' | 'environment' | 'gate';

const user = { kind: 'user' as Kind, exit: 2 };
const environment = { kind: 'environment' as Kind, exit: 3 };
const gate = { kind: 'gate' as Kind, exit: 1 };

export const ERROR_CODES = {
  // cli and arguments
  CLI_USAGE: user,
  CLI_UNKNOWN_COMMAND: user,
  SETUP_UNSUPPORTED: environment,
  SETUP_FAILED: environment,
  ARGS_UNKNOWN_KEY: user,
  ARGS_BAD_VALUE: user,
  ARGS_CONFLICT: user,
  ARGS_MISSING: user,
  ARGS_NOT_SUPPORTED: user,
  ARGS_FILE: user,
  // data
  DATA_NOT_FOUND: user,
  DATA_UNKNOWN_DATASET: user,
  DATA_BAD_INFO: user,
  DATA_BAD_FILE: user,
  DATA_ENDPOINT: environment,
  DATA_UNSUPPORTED_FORMAT: user,
  DATA_NO_ROWS: user,
  DATA_TOO_MANY_DROPPED: gate,
  DATA_BAD_RECIPE: user,
  DATA_RUN_EXISTS: user,
  DATA_NO_RUN: user,
  DATA_UNKNOWN_ROW: user,
  DATA_BAD_SEAL: user,
  DATA_INTERRUPTED: environment,
  DATA_EXPORT_DIFFERS: environment,
  // tokens
  TOKENS_NO_TOKENIZER: user,
  TOKENS_BAD_TOKENIZER: user,
  TOKENS_UNKNOWN_TEMPLATE: user,
  TOKENS_BAD_TEMPLATE: user,
  TOKENS_TEMPLATE_MISMATCH: user,
  TOKENS_BAD_TOOLS: user,
  TOKENS_VOCABULARY: user,
  TOKENS_NO_LABELS: user,
  // model
  MODEL_NOT_FOUND: user,
  MODEL_BAD_CONFIG: user,
  MODEL_UNKNOWN_ARCHITECTURE: user,
  MODEL_BAD_FILE: user,
  MODEL_MISSING_TENSOR: user,
  MODEL_WRONG_SHAPE: user,
  MODEL_WRONG_DTYPE: user,
  MODEL_DOWNLOAD: environment,
  MODEL_OFFLINE: environment,
  MODEL_CHECKSUM: environment,
  MODEL_CONTEXT_EXCEEDED: user,
  // adapters
  ADAPTERS_NOT_FOUND: user,
  ADAPTERS_BAD_CONFIG: user,
  ADAPTERS_BAD_FILE: user,
  ADAPTERS_MISMATCH: user,
  ADAPTERS_UNSUPPORTED: user,
  // plan
  PLAN_DOES_NOT_FIT: gate,
  // training
  TRAIN_DIVERGED: gate,
  TRAIN_OUTPUT_EXISTS: user,
  TRAIN_DRIFT: gate,
  TRAIN_FINISHED: user,
  TRAIN_NOTHING_TRAINABLE: user,
  TRAIN_INTERRUPTED: environment,
  TRAIN_REWARD_FAILED: user,
  REWARDS_BAD_FILE: user,
  // eval
  EVAL_NO_ROWS: user,
  EVAL_BAD_OPTION: user,
  EVAL_BAD_ROW: user,
  EVAL_UNKNOWN_METRIC: user,
  EVAL_UNAVAILABLE: environment,
  EVAL_BAD_METRIC_FILE: user,
  EVAL_BAD_FOLDER: user,
  EVAL_BAD_TEMPLATE: user,
  EVAL_OUTPUT_EXISTS: user,
  EVAL_OVERLAP: gate,
  EVAL_ENDPOINT: environment,
  EVAL_DIFFERENT_DATA: user,
  EVAL_BAD_RULES: user,
  EVAL_BAD_RUBRIC: user,
  EVAL_NOT_CACHED: user,
  EVAL_BAD_LABELS: user,
  EVAL_RULES_MISMATCH: user,
  // store
  EXPORT_UNSUPPORTED: user,
  EXPORT_BAD_MANIFEST: user,
  EXPORT_DIFFERS: gate,
  EXPORT_BAD_TYPE: user,
  EXPORT_REQUANTISE: gate,
  EXPORT_NO_LLAMA: environment,
  EXPORT_QUANTISE_REFUSED: user,
  EXPORT_QUANTISE_CRASHED: environment,
  EXPORT_INTERRUPTED: environment,
  // serve
  SERVE_CONTEXT: user,
  SERVE_ASK: user,
  SERVE_REQUEST: user,
  SERVE_NO_MODEL: user,
  SERVE_UNSAFE: user,
  SERVE_KEYS: user,
  SERVE_BUSY: environment,
  SERVE_ENGINE: environment,
  SERVE_UPSTREAM: environment,
  SERVE_PORT: environment,
  SERVE_STOPPING: environment,
  STORE_CHECKPOINT_DAMAGED: environment,
  STORE_NO_CHECKPOINT: user,
  STORE_DISK_FULL: environment,
  STORE_UNWRITABLE: environment,
  STORE_LOCKED: environment,
  STORE_IO: environment,
  // environment
  ENV_NODE_VERSION: environment,
  ENV_ENGINE: environment,
} as const;

export type FactoryErrorCode = keyof typeof ERROR_CODES;
