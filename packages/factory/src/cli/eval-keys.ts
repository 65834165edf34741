// In: nothing. Out: the keys that only `tunesmith eval` takes.
import {
  type ArgKey,
  bool,
  choice,
  dict,
  float,
  int,
  list,
  optional,
  string,
  texts,
} from '#factory/arguments/key.ts';

function key(name: string, type: ArgKey['type'], value: unknown, meaning: string): ArgKey {
  return { name, group: 'command', type, default: value, meaning, status: 'supported' };
}

export const EVAL_KEYS: readonly ArgKey[] = [
  key('file', list, [], 'rows to evaluate on: files, as eval_dataset'),
  key(
    'task',
    choice('classification', 'generation', 'perplexity'),
    'generation',
    'choose one of the labels, write an answer, or only read the right one',
  ),
  key(
    'predict',
    optional(choice('logprob', 'generate')),
    null,
    'classification: the likeliest label, or a generated answer; unset = logprob, at an endpoint generate',
  ),
  key('labels', list, [], "the labels; unset = the answers of the rows, or the prompt's own choices"),
  key(
    'label_match',
    optional(choice('exact', 'ignore-case', 'mention')),
    null,
    'how a generated answer is read as a label; unset = mention',
  ),
  key(
    'length_normalization',
    choice('none', 'tokens', 'bytes', 'characters'),
    'none',
    "divide a choice's log-probability by its length; characters is acc_norm of lm-evaluation-harness",
  ),
  key(
    'metrics',
    list,
    [],
    'names of the list in docs/reference/metrics.md; unset = those that suit the task',
  ),
  key('metric_options', dict, {}, 'options by metric, as {"number_match": {"which": "last"}}'),
  key('business_metrics', optional(string), null, 'a TypeScript file with functions of (row, prediction)'),
  key('slices', list, [], 'columns to compute all metrics by; label is one too'),
  key('cluster', optional(string), null, 'column whose rows belong together, as a conversation or a user'),
  key('name', optional(string), null, 'a name of the evaluation, for reports'),
  key('stop', texts, [], 'texts that end a generated answer'),
  key('confidence_level', float({ min: 0.5, max: 0.9999 }), 0.95, 'of all intervals'),
  key('resamples', int(200), 2000, 'of the bootstrap'),
  key('latency_rows', int(0), 16, 'rows that are answered one at a time, to measure latency'),
  key('trained_on', list, [], 'data sets or files of the training, to be compared with the rows'),
  key('allow_overlap', bool, false, 'evaluate on rows that the model was trained on'),
  key('doc_to_text', optional(string), null, 'prompt made from columns: Jinja, or the name of a column'),
  key(
    'doc_to_target',
    optional(string),
    null,
    'right answer: Jinja, the name of a column, or the place of a choice',
  ),
  key('doc_to_choice', texts, [], 'choices: templates, or the name of a column with a list'),
  key('description', string, '', 'text before the examples: Jinja'),
  key('target_delimiter', string, ' ', 'between prompt and answer'),
  key('num_fewshot', int(0), 0, 'examples before the prompt'),
  key('fewshot_file', optional(string), null, 'rows that the examples are taken from, the first ones'),
  key('fewshot_by', optional(string), null, 'column: examples have the same value there as the row'),
  key('fewshot_delimiter', string, '\n\n', 'after an example'),
  key(
    'apply_chat_template',
    optional(bool),
    null,
    'put prompts of doc_to_text into the chat template; unset = false there, true for data sets',
  ),
  key('endpoint', optional(string), null, 'URL of an OpenAI-compatible server, as http://localhost:8000/v1'),
  key('model', optional(string), null, 'the name of the model at the endpoint'),
  key('api_key_env', string, 'OPENAI_API_KEY', 'environment variable that holds the key of the endpoint'),
  key('concurrency', int(1, 256), 4, 'requests to the endpoint at a time'),
  key('retries', int(0, 100), 4, 'further tries for a row, with growing waits'),
  key('timeout', float({ min: 0, exclusiveMin: true }), 120, 'seconds for an answer of the endpoint'),
];
