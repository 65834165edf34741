// In: nothing. Out: the keys of `tunesmith data augment`.
import {
  type ArgKey,
  bool,
  float,
  int,
  commandKey as key,
  list,
  optional,
  string,
  texts,
} from '#factory/arguments/key.ts';
import { LIMITS } from '#factory/records/gate-limits.ts';

const share = float({ min: 0, max: 1 });

export const AUGMENT_KEYS: readonly ArgKey[] = [
  key('output_dir', optional(string), null, 'folder for the synthetic rows, their ledger and kept answers'),
  key(
    'methods',
    list,
    [],
    'without a model: script, typo, homophone, width, number; with one: back_translation, paraphrase, edge_case',
  ),
  key('per_row', int(1, 20), 1, 'candidates per row and method'),
  key('select', texts, [], 'column=value: only rows that fit one of these; answer=… looks at the answer'),
  key('share', share, 1, 'share of the fitting rows, drawn by the seed'),
  key('edge_cases', list, [], 'kinds of edge cases; by default all, by turns'),
  key('failures', optional(string), null, 'an evaluation folder: only rows with labels that it gets wrong'),
  key('keep', texts, [], 'a word that must survive, such as a product; may be given several times'),
  key('min_similarity', share, LIMITS.leastSimilarity, 'variants by a model less like their row are dropped'),
  key('max_similarity', share, LIMITS.mostSimilarity, 'variants by a model more like their row are dropped'),
  key('max_per_parent', int(1), LIMITS.perParent, 'synthetic rows of one row'),
  key('max_label_share', share, LIMITS.labelShare, 'synthetic share of the rows of one answer'),
  key('judge', bool, false, 'ask the model, in both orders, whether row and variant ask for the same'),
  key(
    'sealed_test',
    optional(string),
    null,
    'seal to check against; by default the one beside the first file',
  ),
  key('seed', int(0), 42, 'which rows and which changes'),
  key('endpoint', optional(string), null, 'an OpenAI-compatible API, such as http://127.0.0.1:8000/v1'),
  key('model', optional(string), null, 'its name at the endpoint'),
  key('api_key_env', string, 'OPENAI_API_KEY', 'environment variable with the key'),
  key('temperature', float({ min: 0 }), 0.7, 'of the model'),
  key('max_new_tokens', int(1), 512, 'most tokens of an answer'),
  key('concurrency', int(1, 64), 4, 'requests at a time'),
  key('retries', int(0), 3, 'further tries for errors that may pass'),
  key('timeout', int(1), 120, 'seconds for one answer'),
];
