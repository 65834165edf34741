// In: nothing. Out: the data, generating and benchmark-task keys of the argument table, in LLaMA-Factory's order.
import {
  type ArgKey,
  bool,
  choice,
  float,
  inGroup,
  int,
  list,
  neverAllowed,
  noEffect,
  numbers,
  optional,
  refused,
  string,
  supported,
} from './key.ts';

const STREAMING = 'it acts only with streaming, which is not supported yet';
const BEAMS = 'beam search is not supported yet';
const TASK =
  'it belongs to the benchmark task runner (mmlu, ceval, cmmlu), which training never reads and which is not supported yet';

export const DATA_KEYS: ArgKey[] = inGroup('data', [
  supported('template', optional(string), null, "chat template; unset = the tokenizer's own"),
  supported('dataset', list, [], 'training data: names in dataset_info.json or paths, comma list'),
  supported('eval_dataset', list, [], 'evaluation data, comma list'),
  supported('dataset_dir', string, 'data', 'folder that holds dataset_info.json'),
  noEffect('media_dir', optional(string), null, 'folder of images and sounds', 'only text is trained here'),
  supported('cutoff_len', int(2), 2048, 'longest row in tokens'),
  supported('train_on_prompt', bool, false, 'loss on the prompt too (sft)'),
  supported('mask_history', bool, false, 'loss on the last answer only (sft)'),
  refused(
    'streaming',
    bool,
    false,
    'read rows while training',
    'streaming is not supported yet; rows are tokenised once and cached',
  ),
  noEffect('buffer_size', int(1), 16384, 'shuffle buffer', STREAMING),
  supported(
    'mix_strategy',
    choice('concat', 'interleave_under', 'interleave_over', 'interleave_once'),
    'concat',
    'how several data sets are joined',
  ),
  supported('interleave_probs', numbers, null, 'share of each data set in an interleave mix'),
  supported('overwrite_cache', bool, false, 'tokenise again'),
  supported('preprocessing_batch_size', int(1), 1000, 'rows tokenised, and packed, at a time'),
  noEffect(
    'preprocessing_num_workers',
    optional(int(1)),
    null,
    'processes for tokenising',
    'rows are tokenised once, in one process, and cached; the rows are the same',
  ),
  supported('max_samples', optional(int(1)), null, 'first N rows of each data set'),
  refused('eval_num_beams', optional(int(1)), null, 'beams in prediction', BEAMS, [1]),
  supported('ignore_pad_token_for_loss', bool, true, 'no loss on padding'),
  supported(
    'val_size',
    float({ min: 0 }),
    0,
    'share (below 1) or number of training rows held out for evaluation',
  ),
  refused(
    'eval_on_each_dataset',
    bool,
    false,
    'metrics per evaluation set',
    'separate metrics per evaluation set are not supported yet',
  ),
  supported('packing', optional(bool), null, 'several rows in one sequence; unset = only for pt'),
  supported('neat_packing', bool, false, 'packing without attention across rows (sft)'),
  supported('tool_format', optional(string), null, "replaces the template's tool format"),
  supported('default_system', optional(string), null, "replaces the template's default system text"),
  supported(
    'enable_thinking',
    optional(bool),
    true,
    'reasoning templates: true, false, or None to leave thoughts as they are',
  ),
  supported('preserve_thinking', bool, false, 'keep thoughts in earlier turns'),
  supported('tokenized_path', optional(string), null, 'folder to keep the tokenised rows in'),
  noEffect(
    'data_shared_file_system',
    bool,
    false,
    'one preprocessing rank for all nodes',
    'training runs on one machine here',
  ),
]);

export const GENERATING_KEYS: ArgKey[] = inGroup('generating', [
  supported('do_sample', bool, true, 'sample, or take the most probable token'),
  supported('temperature', float({ min: 0 }), 0.95, 'softmax temperature'),
  supported(
    'top_p',
    float({ min: 0, max: 1, exclusiveMin: true }),
    0.7,
    'probability mass that is sampled from',
  ),
  supported('top_k', int(0), 50, 'number of tokens that are sampled from; 0 = all'),
  refused('num_beams', int(1), 1, 'beams', BEAMS),
  noEffect(
    'max_length',
    int(1),
    1024,
    'longest prompt plus answer',
    'it gives way to max_new_tokens, which is always set',
  ),
  supported('max_new_tokens', int(1), 1024, 'longest answer in tokens'),
  supported('repetition_penalty', float({ min: 0, exclusiveMin: true }), 1, 'above 1 discourages repeating'),
  noEffect(
    'length_penalty',
    float(),
    1,
    'exponent on the length',
    'it acts only in beam search, which is not supported yet',
  ),
  supported('skip_special_tokens', bool, true, 'leave special tokens out of the text'),
]);

/** `seed` is also a field of this group; the training group holds it. */
export const EVALUATION_KEYS: ArgKey[] = inGroup('evaluation', [
  neverAllowed('task', string, null, 'benchmark and split', TASK),
  neverAllowed('task_dir', string, 'evaluation', 'benchmark folder', TASK),
  neverAllowed(
    'batch_size',
    int(1),
    4,
    'benchmark batch',
    `${TASK}; a training batch is per_device_train_batch_size`,
  ),
  neverAllowed('lang', choice('en', 'zh'), 'en', 'prompt language', TASK),
  neverAllowed('n_shot', int(0), 5, 'examples in the prompt', TASK),
  neverAllowed(
    'save_dir',
    optional(string),
    null,
    'results folder',
    `${TASK}; a training run writes to output_dir`,
  ),
  neverAllowed(
    'download_mode',
    choice('reuse_dataset_if_exists', 'reuse_cache_if_exists', 'force_redownload'),
    'reuse_dataset_if_exists',
    'download mode of benchmark data',
    TASK,
  ),
]);
