// In: nothing. Out: every error code in one sentence and what usually mends it. Both tables are total: a code without a
// meaning does not compile. The remedy that a message prints is more exact than the one here.
import type { EngineErrorCode } from '../../packages/engine/src/error-codes.ts';
import type { FactoryErrorCode } from '../../packages/factory/src/error-codes.ts';

/** What happened, and what to do. */
type Meaning = readonly [what: string, remedy: string];

export const FACTORY_MEANINGS: Record<FactoryErrorCode, Meaning> = {
  CLI_USAGE: ['The words of the command cannot be read as keys and values.', 'See `tunesmith help`.'],
  CLI_UNKNOWN_COMMAND: ['There is no such command.', 'Write the command that the message suggests.'],
  SETUP_UNSUPPORTED: [
    'What `tunesmith setup` was asked for does not exist on this platform.',
    'Set `backend` to `webgpu` or `cpu`.',
  ],
  SETUP_FAILED: [
    'The libraries could not be fetched.',
    'Run it again with network access, or copy the files that the message names.',
  ],
  ARGS_UNKNOWN_KEY: [
    'A key has a name that no version knows.',
    'Correct the spelling; the message suggests one.',
  ],
  ARGS_BAD_VALUE: ['A key has a value of the wrong type or range.', 'Correct the value.'],
  ARGS_CONFLICT: [
    'Two keys exclude each other, or one needs another.',
    'Keep one of them, or add what is needed.',
  ],
  ARGS_MISSING: ['A key that the run cannot do without is not given.', 'Add the key.'],
  ARGS_NOT_SUPPORTED: [
    'The key or value is known, and nothing here can do what it asks.',
    'Remove it; the message says why.',
  ],
  ARGS_FILE: ['The configuration or prompt file cannot be read.', 'Check its path, syntax and permissions.'],
  DATA_NOT_FOUND: ['A data file or folder does not exist.', 'Check the path, `dataset_dir` and `file_name`.'],
  DATA_UNKNOWN_DATASET: [
    'A data set is neither in dataset_info.json nor a path.',
    'Choose one of the names that the message lists.',
  ],
  DATA_BAD_INFO: [
    'dataset_info.json, or one of its entries, is not usable.',
    'Correct the entry that the message names.',
  ],
  DATA_BAD_FILE: ['A data file is damaged or is not what its name says.', 'Write the file again.'],
  DATA_ENDPOINT: [
    'The language model that was asked for a score or a text gave no answer.',
    'Check the address, the model and the key; answers so far are kept.',
  ],
  DATA_UNSUPPORTED_FORMAT: [
    'Rows, or a source of rows, are of a kind that is not read here.',
    'Convert the file, or describe its columns in dataset_info.json.',
  ],
  DATA_NO_ROWS: [
    'No row of a data set can be used.',
    'Mend the rows; the commonest reasons are in the message.',
  ],
  DATA_TOO_MANY_DROPPED: [
    'More rows were dropped than `max_dropped_fraction` allows.',
    'Mend the rows, or raise `max_dropped_fraction`.',
  ],
  DATA_BAD_RECIPE: [
    'A cleaning recipe names steps or options that do not exist, or is no YAML.',
    'Correct the places that the message names.',
  ],
  DATA_RUN_EXISTS: [
    'The output folder holds a cleaning run of other files or of another recipe.',
    'Choose another folder, or delete that one.',
  ],
  DATA_NO_RUN: ['The folder holds no cleaning run.', 'Give the `output_dir` of `tunesmith data clean`.'],
  DATA_UNKNOWN_ROW: ['No row of the run has that id or place.', 'Take the id from the report or the export.'],
  DATA_EXPORT_DIFFERS: [
    'An export does not hold the rows that were written when the trainer reads it back.',
    'Export as JSON Lines; report it where that fails too.',
  ],
  DATA_BAD_SEAL: [
    'The seal of a test set is damaged or is another file.',
    'Restore `sealed-test.json` from a copy, or split the data anew.',
  ],
  DATA_INTERRUPTED: ['The cleaning run was stopped before its end.', 'Give the same command again.'],
  TOKENS_NO_TOKENIZER: ['The model folder has no tokenizer.json.', 'Use a folder that has one.'],
  TOKENS_BAD_TOKENIZER: [
    'tokenizer.json or its config cannot be used.',
    'Download the tokenizer files again.',
  ],
  TOKENS_UNKNOWN_TEMPLATE: [
    'There is no template of that name in that version.',
    'Use a name that is suggested.',
  ],
  TOKENS_BAD_TEMPLATE: [
    "The tokenizer's chat template cannot be taken apart into turns.",
    'Set `template` to a named template.',
  ],
  TOKENS_TEMPLATE_MISMATCH: [
    "The template read off the tokenizer gives other tokens than the tokenizer's own chat template.",
    'Set `template` to a named template.',
  ],
  TOKENS_BAD_TOOLS: [
    'A tool list, a function call or a tool format is not usable.',
    'Correct the tools, or `tool_format`.',
  ],
  TOKENS_VOCABULARY: [
    'The tokenizer lacks a token that the template needs.',
    "Use the template of the model's family.",
  ],
  TOKENS_NO_LABELS: ['After encoding, no row has a token to learn.', 'Mend the rows, or raise `cutoff_len`.'],
  MODEL_NOT_FOUND: ['The model is neither a folder nor known to the hub.', 'Check `model_name_or_path`.'],
  MODEL_BAD_CONFIG: [
    'config.json lacks a field or holds an impossible one.',
    "Restore the model's own config.json.",
  ],
  MODEL_UNKNOWN_ARCHITECTURE: [
    'The architecture is not one of those built in.',
    'Use a model of one that is.',
  ],
  MODEL_BAD_FILE: [
    'A weight file is truncated, damaged or not safetensors.',
    'Download or convert the file again.',
  ],
  MODEL_MISSING_TENSOR: ['The weights lack a tensor that the config calls for.', 'Use complete weights.'],
  MODEL_WRONG_SHAPE: [
    'A tensor has another shape than the config says.',
    'Use weights and config of one model.',
  ],
  MODEL_WRONG_DTYPE: ['A tensor is neither float32, float16 nor bfloat16.', 'Convert the weights.'],
  MODEL_DOWNLOAD: ['A download from the hub failed.', 'Run the command again; it goes on where it stopped.'],
  MODEL_OFFLINE: [
    'A file is not in the cache, and the run is offline.',
    'Go online once, or name a local folder.',
  ],
  MODEL_CHECKSUM: [
    'A downloaded file differs from its checksum.',
    'Delete the file and run the command again.',
  ],
  MODEL_CONTEXT_EXCEEDED: ['A prompt leaves no room in the context of the model.', 'Shorten the prompt.'],
  ADAPTERS_NOT_FOUND: ['The adapter folder or its weights are not there.', 'Check `adapter_name_or_path`.'],
  ADAPTERS_BAD_CONFIG: ['adapter_config.json is not usable.', 'Save the adapter again with PEFT.'],
  ADAPTERS_BAD_FILE: ['The adapter weights are damaged.', 'Copy the folder again.'],
  ADAPTERS_MISMATCH: ['The adapter belongs to another model.', 'Name the base model it was trained on.'],
  ADAPTERS_UNSUPPORTED: ['The adapter uses a method that is not built in.', 'Merge it with PEFT first.'],
  PLAN_DOES_NOT_FIT: ['Not raised yet: a run would not fit into memory.', 'None.'],
  TRAIN_DIVERGED: [
    'The loss or the gradient is not a number, or has exploded.',
    'Lower `learning_rate`; the last good checkpoint is kept.',
  ],
  TRAIN_OUTPUT_EXISTS: ['output_dir holds the result of another run.', 'Set another `output_dir`.'],
  TRAIN_DRIFT: [
    'The run would go on with other settings or rows than it began with.',
    'Take the change back, or add `--allow_drift` or `--extend`.',
  ],
  TRAIN_FINISHED: ['The run has done all its steps.', 'Add `--extend` with more epochs or steps.'],
  TRAIN_NOTHING_TRAINABLE: ['The method selects no parameter of this model.', 'Set `lora_target` to `all`.'],
  TRAIN_INTERRUPTED: ['Not raised yet: an interrupted run ends with status 130.', 'None.'],
  TRAIN_REWARD_FAILED: [
    'No answer of a step could be rewarded.',
    'Mend the reward function or server, and start the command again.',
  ],
  REWARDS_BAD_FILE: [
    'A reward function cannot be loaded.',
    'Export a function of `{ prompt, completion, row }` that returns a number.',
  ],
  EVAL_NO_ROWS: ['There is no row to evaluate.', 'Evaluate on a data set with rows.'],
  EVAL_BAD_OPTION: [
    'An option of a metric is missing, unknown, or of the wrong type or range.',
    'Correct the option that the message names.',
  ],
  EVAL_BAD_ROW: ['A row lacks what a metric needs.', 'Add it to every row, or remove the metric.'],
  EVAL_BAD_METRIC_FILE: [
    'A file of business metrics cannot be loaded, or exports no function.',
    'Correct the file; the guide of metrics has an example.',
  ],
  EVAL_BAD_FOLDER: [
    'A folder is no finished evaluation, or a file in it is damaged.',
    'Name a folder that `tunesmith eval` wrote, or run the evaluation again.',
  ],
  EVAL_BAD_TEMPLATE: [
    'A template of a prompt cannot be read, or fails on a row.',
    'Correct the template that the message names.',
  ],
  EVAL_OUTPUT_EXISTS: [
    '`output_dir` holds another evaluation.',
    'Set another `output_dir`, or `overwrite_output_dir`.',
  ],
  EVAL_OVERLAP: [
    'The model was trained on rows that it is to be evaluated on.',
    'Evaluate on rows that were held out.',
  ],
  EVAL_ENDPOINT: [
    'An endpoint does not answer.',
    'Check `endpoint`, `model`, the key, and that the server is up.',
  ],
  EVAL_DIFFERENT_DATA: [
    'Two evaluations are not of the same rows, so they cannot be compared row by row.',
    'Evaluate both models on the same files with the same `max_samples` and seed.',
  ],
  EVAL_BAD_RULES: [
    'A rule file is not YAML, or a rule in it is missing, unknown, or of the wrong type.',
    'Correct what the message names; the guide has an example.',
  ],
  EVAL_BAD_RUBRIC: [
    'The rubric of a judge is not YAML, or a key in it is missing, unknown, or of the wrong type.',
    'Correct what the message names.',
  ],
  EVAL_NOT_CACHED: [
    'An offline run asks for an answer that the cache does not have.',
    'Run once with an endpoint and the same cache.',
  ],
  EVAL_BAD_LABELS: [
    'A file of labels by people has a line that cannot be used.',
    'Write one JSON object with id and label per line.',
  ],
  EVAL_RULES_MISMATCH: [
    'A rule names a value that the evaluations do not have, or that cannot decide anything.',
    'Evaluate both models with it, or correct the rule file.',
  ],
  EVAL_UNAVAILABLE: [
    'A metric needs a part that this installation lacks.',
    'Remove the metric, or install the part.',
  ],
  EVAL_UNKNOWN_METRIC: [
    'There is no metric of that name.',
    'Use a name that the message or the page of metrics lists.',
  ],
  EXPORT_UNSUPPORTED: ['What was asked for cannot be exported like this.', 'See the message for what can.'],
  EXPORT_BAD_MANIFEST: [
    'A folder has no readable tunesmith_export.json.',
    'Name a folder that `tunesmith export` wrote.',
  ],
  EXPORT_VERDICT: [
    'The quantised model does not pass the verdict that the model before the export has passed.',
    'Choose a type with more bits, or keep it all the same with --force true.',
  ],
  EXPORT_BAD_VERDICT: [
    'The verdict cannot be read, or is of another model.',
    'Name the verdict.json of the model that is exported.',
  ],
  EXPORT_DIFFERS: [
    'The exported model answers otherwise than the one before.',
    'Report it; nothing was kept.',
  ],
  EXPORT_BAD_TYPE: [
    'A GGUF type is not known, or is made with an importance matrix.',
    'Set one of the types that the message lists.',
  ],
  EXPORT_REQUANTISE: [
    'The source is quantised already, so quantising it again adds a second error to the first.',
    'Quantise the f16, bf16 or f32 file, or add `--allow_requantize`.',
  ],
  EXPORT_NO_LLAMA: [
    "llama.cpp's library is not there, or its interface is another one.",
    'Run `npm ci` with optional packages.',
  ],
  EXPORT_QUANTISE_REFUSED: [
    'llama.cpp does not quantise the file; the message has its reason.',
    'Check that the file is whole and has no infinite values.',
  ],
  EXPORT_QUANTISE_CRASHED: [
    'The process that quantises ended by itself; the message has its last words.',
    'Check the file and the memory, and give the command again.',
  ],
  EXPORT_INTERRUPTED: [
    'Quantising was stopped before its end; nothing was kept.',
    'Give the same command again.',
  ],
  SERVE_CONTEXT: [
    'A prompt does not fit into the context of the model that is served.',
    'Shorten the conversation, or serve the model with a larger context.',
  ],
  SERVE_ASK: [
    'The model that is served cannot be asked this.',
    'Change the request as the message says, or ask another model.',
  ],
  SERVE_REQUEST: [
    'A request is not what the API takes; the answer has the status and the shape of errors of OpenAI.',
    'Correct the field that the message names.',
  ],
  SERVE_NO_MODEL: ['No model of that name is served.', 'Ask `/v1/models` for the names.'],
  SERVE_UNSAFE: [
    'The address can be reached from other machines and no API key is set.',
    'Make a key with `tunesmith keys create`, or keep `host` at 127.0.0.1.',
  ],
  SERVE_KEYS: [
    'An API key, or the file of keys, is not usable.',
    'List the keys with `tunesmith keys list`; the message names what is wrong.',
  ],
  SERVE_MODEL: [
    'llama.cpp cannot load the model or the adapter.',
    'Write the file again with `tunesmith export --to gguf`.',
  ],
  SERVE_MEMORY: [
    'Weights and contexts do not fit into memory.',
    'Set a smaller `context_size` or fewer `slots`, or serve a smaller quantisation.',
  ],
  SERVE_BUSY: [
    'All places and the queue are taken.',
    'Ask again after the seconds of `Retry-After`, or raise `max_queue`.',
  ],
  SERVE_ENGINE: ['The engine ended while it answered; it is started again.', 'Ask again.'],
  SERVE_UPSTREAM: [
    'The server behind the gateway gave an error or no answer.',
    'Check its address, its key and its log.',
  ],
  SERVE_PORT: ['The address to listen at is taken or not allowed.', 'Choose another `port` or `host`.'],
  SERVE_STOPPING: ['The server is going down and takes no new requests.', 'Ask another server.'],
  STORE_CHECKPOINT_DAMAGED: ['A file of a checkpoint is not as it was written.', 'Use another checkpoint.'],
  STORE_NO_CHECKPOINT: [
    'There is no checkpoint to go on from.',
    'Set `overwrite_output_dir` to start again.',
  ],
  STORE_DISK_FULL: [
    'The disk is full; nothing was left half written.',
    'Free space and run the command again.',
  ],
  STORE_UNWRITABLE: ['A folder cannot be written to.', 'Check its permissions.'],
  STORE_LOCKED: ['Another process is using output_dir.', 'Wait for it, or set another `output_dir`.'],
  STORE_IO: ['The disk gave an error.', 'Check the disk and run the command again.'],
  ENV_NODE_VERSION: ['Node is older than 24, and none is in node_modules.', 'Run `npm ci`.'],
  ENV_ENGINE: ['Not raised yet: the compute runtime is not usable.', 'None.'],
};

export const ENGINE_MEANINGS: Record<EngineErrorCode, Meaning> = {
  ENGINE_BAD_SHAPE: [
    'Tensors of a graph do not fit each other.',
    'Report it with the command that led to it.',
  ],
  ENGINE_BAD_DTYPE: ['A tensor has another dtype than the graph declares.', 'Report it with the command.'],
  ENGINE_MISSING_INPUT: ['A graph was run without one of its inputs.', 'Report it with the command.'],
  ENGINE_NOT_DIFFERENTIABLE: ['A gradient was asked through an operation that has none.', 'Report it.'],
  ENGINE_UNKNOWN_BACKEND: [
    'There is no backend of that name.',
    'Set `backend` to `cpu`, `webgpu`, `cuda` or `reference`.',
  ],
  ENGINE_BACKEND_UNAVAILABLE: [
    'The backend does not open on this machine: no GPU driver answers, or libraries are missing.',
    'Do what the message says; `tunesmith env` shows which backends open.',
  ],
  ENGINE_COMPILE_FAILED: ['ONNX Runtime refused a graph.', 'Report it with the output of `tunesmith env`.'],
  ENGINE_RUN_FAILED: [
    'ONNX Runtime failed while it computed.',
    'Report it with the output of `tunesmith env`.',
  ],
  ENGINE_OUT_OF_MEMORY: [
    'Memory ran out.',
    'Lower `per_device_train_batch_size` or `cutoff_len`, or set `residual_policy` to `recompute`.',
  ],
  ENGINE_USE_AFTER_DISPOSE: ['A tensor or graph was used after it was given back.', 'Report it.'],
  ENGINE_BAD_SCHEDULE: [
    'A learning-rate schedule has an option that it does not know.',
    'Correct `lr_scheduler_kwargs`.',
  ],
};
