// In: nothing. Out: every reason for which a row is dropped or changed, in words, with what to do about it.

export const ROW_REASONS = {
  // reading
  not_json: {
    text: 'the line is not valid JSON',
    remedy: 'Write one complete JSON object per line (numbers without NaN or Infinity).',
  },
  not_an_object: {
    text: 'the row is not an object with named columns',
    remedy: 'Write every row as a JSON object, such as {"instruction": "...", "output": "..."}.',
  },
  bad_column_count: {
    text: 'the row has more cells than the header',
    remedy: 'Quote cells that hold the delimiter, so that every row has as many cells as the header.',
  },
  // columns
  missing_column: {
    text: 'the row lacks a column that the stage needs',
    remedy: 'Fill the column, or map it with "columns" in dataset_info.json.',
  },
  missing_tag: {
    text: 'a message lacks the key that holds its role or content',
    remedy:
      'Set "role_tag" and "content_tag" under "tags" in dataset_info.json to the keys of your messages.',
  },
  wrong_type: {
    text: 'a value has the wrong type',
    remedy: 'Make prompts and answers strings (serialise objects and numbers to text first).',
  },
  images_not_supported: {
    text: 'the row has images',
    remedy: 'Take rows with images out of this data set: only text is trained on.',
  },
  videos_not_supported: {
    text: 'the row has videos',
    remedy: 'Take rows with videos out of this data set: only text is trained on.',
  },
  audios_not_supported: {
    text: 'the row has audio',
    remedy: 'Take rows with audio out of this data set: only text is trained on.',
  },
  // content
  empty_prompt: { text: 'a user turn is empty', remedy: 'Fill the prompt, or delete these rows.' },
  empty_answer: { text: 'an answer is empty', remedy: 'Fill the answer, or delete these rows.' },
  empty_text: { text: 'the text is empty', remedy: 'Delete rows without text.' },
  empty_conversation: {
    text: 'the conversation has no messages',
    remedy: 'Delete these rows, or check "messages" under "columns" in dataset_info.json.',
  },
  unknown_role: {
    text: 'a message has a role that no tag names',
    remedy:
      'Set the role names of your data under "tags" in dataset_info.json (all of them: left-out tags mean none).',
  },
  bad_role_order: {
    text: 'user and assistant turns do not alternate',
    remedy:
      'Let user or tool-result turns stand in odd places and assistant or function-call turns in even ones; only the first message may be the system text.',
  },
  bad_message_count: {
    text: 'the conversation does not end with an answer',
    remedy: 'End every conversation with an assistant or function-call turn.',
  },
  bad_history: {
    text: 'the history is not a list of [prompt, answer] pairs',
    remedy: 'Write history as [["prompt", "answer"], ...].',
  },
  bad_tools: {
    text: 'the tool list is not usable',
    remedy: 'Write tools as a JSON list of objects, each with a "name".',
  },
  bad_function_call: {
    text: 'a function-call turn is not usable',
    remedy: 'Write function calls as JSON: {"name": "...", "arguments": {...}} or a list of them.',
  },
  sealed_test: {
    text: 'the prompt is in the sealed test set, exactly or nearly',
    remedy:
      'Take these rows out of the training data, or the test says nothing; "tunesmith data split" keeps them apart.',
  },
  // stages
  stage_dpo_needed: {
    text: 'the row is a preference pair (chosen, rejected)',
    remedy: 'Set stage to dpo or rm to train on preference pairs, or use a data set of prompts and answers.',
  },
  stage_kto_needed: {
    text: 'the row is an answer with a good/bad label',
    remedy: 'Set stage to kto to train on labelled answers, or use a data set of prompts and answers.',
  },
  pair_needed: {
    text: 'the row has no pair of a chosen and a rejected answer',
    remedy:
      'Fill both answers, and name their columns "chosen" and "rejected" under "columns" in dataset_info.json.',
  },
  label_needed: {
    text: 'the row has no good/bad label (true or false)',
    remedy: 'Write true or false into the column that "kto_tag" names under "columns" in dataset_info.json.',
  },
  // repairs
  parsed_json_text: {
    text: 'a column that should hold a list held its JSON text, which was parsed',
    remedy: 'Store the column as a list instead of as text.',
  },
  tools_as_json: { text: 'the tool list was turned into JSON text', remedy: 'Store tools as JSON text.' },
  tool_arguments_as_json: {
    text: 'arguments of a tool call held JSON text, which was parsed',
    remedy: 'Store arguments as an object.',
  },
  content_beside_tool_calls: {
    text: 'text beside tool calls in one message is not trained on',
    remedy: 'Move the text into a turn of its own if the model must learn it.',
  },
  content_parts_joined: {
    text: 'content in several text parts was joined',
    remedy: 'Store content as one string.',
  },
  trailing_tool_message: {
    text: 'tool results after the last answer are not trained on',
    remedy: 'Add the answer that follows them, or delete them.',
  },
  broken_unicode: {
    text: 'half characters (lone surrogates) were replaced by U+FFFD',
    remedy: 'Export the data again as UTF-8.',
  },
} as const;

export type RowReason = keyof typeof ROW_REASONS;

/** A reason with its place in the row. */
export interface Problem {
  reason: RowReason;
  field?: string;
  detail: string;
}

export function isProblem(value: object): value is Problem {
  return 'reason' in value;
}
