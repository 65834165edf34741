// In: nothing. Out: every reason for which a row is dropped or changed, in words (English and Chinese), with what to do about it.

export const ROW_REASONS = {
  // reading
  not_json: {
    text: 'the line is not valid JSON',
    zh: '该行不是合法的 JSON',
    remedy: 'Write one complete JSON object per line (numbers without NaN or Infinity).',
  },
  not_an_object: {
    text: 'the row is not an object with named columns',
    zh: '该行不是带列名的对象',
    remedy: 'Write every row as a JSON object, such as {"instruction": "...", "output": "..."}.',
  },
  bad_column_count: {
    text: 'the row has more cells than the header',
    zh: '该行的单元格多于表头',
    remedy: 'Quote cells that hold the delimiter, so that every row has as many cells as the header.',
  },
  // columns
  missing_column: {
    text: 'the row lacks a column that the stage needs',
    zh: '该行缺少该阶段所需的列',
    remedy: 'Fill the column, or map it with "columns" in dataset_info.json.',
  },
  missing_tag: {
    text: 'a message lacks the key that holds its role or content',
    zh: '某条消息缺少表示角色或内容的键',
    remedy:
      'Set "role_tag" and "content_tag" under "tags" in dataset_info.json to the keys of your messages.',
  },
  wrong_type: {
    text: 'a value has the wrong type',
    zh: '某个值的类型不对',
    remedy: 'Make prompts and answers strings (serialise objects and numbers to text first).',
  },
  images_not_supported: {
    text: 'the row has images',
    zh: '该行含有图片',
    remedy: 'Take rows with images out of this data set: only text is trained on.',
  },
  videos_not_supported: {
    text: 'the row has videos',
    zh: '该行含有视频',
    remedy: 'Take rows with videos out of this data set: only text is trained on.',
  },
  audios_not_supported: {
    text: 'the row has audio',
    zh: '该行含有音频',
    remedy: 'Take rows with audio out of this data set: only text is trained on.',
  },
  // content
  empty_prompt: {
    text: 'a user turn is empty',
    zh: '用户轮次为空',
    remedy: 'Fill the prompt, or delete these rows.',
  },
  empty_answer: {
    text: 'an answer is empty',
    zh: '回答为空',
    remedy: 'Fill the answer, or delete these rows.',
  },
  empty_text: { text: 'the text is empty', zh: '文本为空', remedy: 'Delete rows without text.' },
  empty_conversation: {
    text: 'the conversation has no messages',
    zh: '对话中没有消息',
    remedy: 'Delete these rows, or check "messages" under "columns" in dataset_info.json.',
  },
  unknown_role: {
    text: 'a message has a role that no tag names',
    zh: '某条消息的角色不在标签之列',
    remedy:
      'Set the role names of your data under "tags" in dataset_info.json (all of them: left-out tags mean none).',
  },
  bad_role_order: {
    text: 'user and assistant turns do not alternate',
    zh: '用户与助手轮次没有交替',
    remedy:
      'Let user or tool-result turns stand in odd places and assistant or function-call turns in even ones; only the first message may be the system text.',
  },
  bad_message_count: {
    text: 'the conversation does not end with an answer',
    zh: '对话没有以回答结尾',
    remedy: 'End every conversation with an assistant or function-call turn.',
  },
  bad_history: {
    text: 'the history is not a list of [prompt, answer] pairs',
    zh: '历史不是 [提示, 回答] 对的列表',
    remedy: 'Write history as [["prompt", "answer"], ...].',
  },
  bad_tools: {
    text: 'the tool list is not usable',
    zh: '工具列表无法使用',
    remedy: 'Write tools as a JSON list of objects, each with a "name".',
  },
  bad_function_call: {
    text: 'a function-call turn is not usable',
    zh: '工具调用轮次无法使用',
    remedy: 'Write function calls as JSON: {"name": "...", "arguments": {...}} or a list of them.',
  },
  sealed_test: {
    text: 'the prompt is in the sealed test set, exactly or nearly',
    zh: '提示与封存测试集中的相同或相近',
    remedy:
      'Take these rows out of the training data, or the test says nothing; "tunesmith data split" keeps them apart.',
  },
  // stages
  stage_dpo_needed: {
    text: 'the row is a preference pair (chosen, rejected)',
    zh: '该行是偏好对（chosen、rejected）',
    remedy: 'Set stage to dpo or rm to train on preference pairs, or use a data set of prompts and answers.',
  },
  stage_kto_needed: {
    text: 'the row is an answer with a good/bad label',
    zh: '该行是带好坏标签的回答',
    remedy: 'Set stage to kto to train on labelled answers, or use a data set of prompts and answers.',
  },
  pair_needed: {
    text: 'the row has no pair of a chosen and a rejected answer',
    zh: '该行没有 chosen 与 rejected 回答对',
    remedy:
      'Fill both answers, and name their columns "chosen" and "rejected" under "columns" in dataset_info.json.',
  },
  label_needed: {
    text: 'the row has no good/bad label (true or false)',
    zh: '该行没有好坏标签（true 或 false）',
    remedy: 'Write true or false into the column that "kto_tag" names under "columns" in dataset_info.json.',
  },
  // repairs
  parsed_json_text: {
    text: 'a column that should hold a list held its JSON text, which was parsed',
    zh: '应为列表的列存的是 JSON 文本，已解析',
    remedy: 'Store the column as a list instead of as text.',
  },
  tools_as_json: {
    text: 'the tool list was turned into JSON text',
    zh: '工具列表已转为 JSON 文本',
    remedy: 'Store tools as JSON text.',
  },
  tool_arguments_as_json: {
    text: 'arguments of a tool call held JSON text, which was parsed',
    zh: '工具调用的参数存的是 JSON 文本，已解析',
    remedy: 'Store arguments as an object.',
  },
  content_beside_tool_calls: {
    text: 'text beside tool calls in one message is not trained on',
    zh: '同一消息中工具调用旁的文本不参与训练',
    remedy: 'Move the text into a turn of its own if the model must learn it.',
  },
  content_parts_joined: {
    text: 'content in several text parts was joined',
    zh: '分段的文本内容已合并',
    remedy: 'Store content as one string.',
  },
  trailing_tool_message: {
    text: 'tool results after the last answer are not trained on',
    zh: '最后一个回答之后的工具结果不参与训练',
    remedy: 'Add the answer that follows them, or delete them.',
  },
  broken_unicode: {
    text: 'half characters (lone surrogates) were replaced by U+FFFD',
    zh: '半个字符（孤立代理项）已替换为 U+FFFD',
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
