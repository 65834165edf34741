// In: nothing. Out: what `tunesmith data` can do, the words that each action takes, and its keys. The actions themselves are
// loaded by commands/data.ts, one at a time.
import {
  type ArgKey,
  bool,
  choice,
  float,
  int,
  commandKey as key,
  list,
  optional,
  string,
  texts,
} from '#factory/arguments/key.ts';

import { AUGMENT_KEYS } from './augment-keys.ts';

export interface DataAction {
  meaning: string;
  /** The words after the action, for usage lines. */
  usage: string;
  keys: readonly ArgKey[];
}

/** `alpaca`, `sharegpt` and `openai` are JSON Lines of that layout; the others take the layout that fits. */
const TO = choice('jsonl', 'alpaca', 'sharegpt', 'openai', 'json', 'csv', 'tsv', 'parquet');
const EXPORT_KEYS = [
  key('to', TO, 'jsonl', 'layout or file type; the layout is alpaca where every row fits, else sharegpt'),
  key('name', string, 'cleaned', 'name of the data set in dataset_info.json'),
  key('keep', list, [], 'columns without a part in training that are written along, such as a label'),
  key('ids', bool, false, 'write the id of every row as row_id'),
];

export const DATA_ACTIONS = {
  clean: {
    meaning: 'clean files, folders or patterns; every row that goes has a reason in the ledger',
    usage: 'INPUT... --output_dir DIR [--recipe R.yaml]',
    keys: [
      key('output_dir', optional(string), null, 'folder of the run: ledger, exports, report'),
      key('recipe', string, 'sft-safe', 'a recipe file, or the name of one in recipes/data'),
      key('threads', optional(int(0)), null, 'worker threads; None takes one for every core'),
      ...EXPORT_KEYS,
    ],
  },
  export: {
    meaning: 'write the kept rows of a run again, in another layout or file type',
    usage: 'RUN [--to parquet] [--export_dir DIR]',
    keys: [...EXPORT_KEYS, key('export_dir', optional(string), null, 'folder to write; None is RUN/export')],
  },
  report: {
    meaning: 'counts per step and per reason',
    usage: 'RUN',
    keys: [],
  },
  why: {
    meaning: 'everything about one row: scores beside thresholds, edits, verdict, duplicates',
    usage: 'RUN ROW, where ROW is an id or FILE:LINE',
    keys: [],
  },
  decide: {
    meaning: 'move thresholds and decide again, without measuring anew',
    usage: 'RUN --set step.threshold=value',
    keys: [
      key('set', texts, [], 'step.threshold=value; may be given several times, null switches a rule off'),
    ],
  },
  restore: {
    meaning: 'bring rows back, by reason or one by one',
    usage: 'RUN [--reason REASON] [--row ROW]',
    keys: [
      key('reason', texts, [], 'a reason that shall drop no row; may be given several times'),
      key('row', texts, [], 'an id or FILE:LINE; may be given several times'),
      key('clear', bool, false, 'forget what was restored before'),
    ],
  },
  diff: {
    meaning: 'rows on which two runs differ',
    usage: 'RUN RUN',
    keys: [],
  },
  split: {
    meaning:
      'parts by leakage group: no row of the test gives away, or is given away by, one that is trained on',
    usage: 'INPUT... --output_dir DIR [--test_size 0.1] [--val_size 0.1]',
    keys: [
      key('output_dir', optional(string), null, 'folder for the parts, their seal and the certificate'),
      key('test_size', float({ min: 0, max: 1 }), 0.1, 'share of rows for the test, which is sealed'),
      key('val_size', float({ min: 0, max: 1 }), 0, 'share of rows for validation while training'),
      key('seed', int(0), 42, 'which of the many right splits'),
      key(
        'stratify_by',
        optional(string),
        null,
        'a column, "answer" or "none"; by default the answer where it is a label',
      ),
      key('group_by', list, [], 'columns whose equal values stay together: conversation, document, template'),
      key(
        'threshold',
        float({ min: 0.3, max: 1 }),
        0.75,
        'Jaccard from which prompts are near and stay together',
      ),
    ],
  },
  augment: {
    meaning: 'synthetic rows beside real ones, without a model or through an endpoint, each past the gates',
    usage: 'FILE... --output_dir DIR --methods typo,script[,paraphrase --endpoint URL --model M]',
    keys: AUGMENT_KEYS,
  },
  ifd: {
    meaning: 'how much each prompt helps its answer, by a model: columns ifd_loss_ratio and ifd_ppl_ratio',
    usage: '--dataset rows.jsonl --model_name_or_path M --output scored.jsonl',
    keys: [
      key('output', optional(string), null, 'JSON Lines file to write; keys of the model as in training'),
    ],
  },
  seal: {
    meaning: 'which rows a sealed test set has, exactly or nearly; status 1 where there are any',
    usage: 'check FILE... --seal DIR/sealed-test.json',
    keys: [key('seal', optional(string), null, 'the sealed-test.json that "tunesmith data split" wrote')],
  },
} as const satisfies Record<string, DataAction>;

export type DataActionName = keyof typeof DATA_ACTIONS;
