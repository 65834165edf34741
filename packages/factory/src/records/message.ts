// In: nothing. Out: the normal form of a training row, the same for every source format.

export type Role = 'user' | 'assistant' | 'observation' | 'function';

export interface Message {
  role: Role;
  content: string;
}

/** Where a row came from, so that every message about it can be followed back to a line. */
export interface RowSource {
  dataset: string;
  file: string;
  /** Zero-based position of the row in its file. */
  row: number;
}

/**
 * One row after format conversion. `prompt` has an odd number of messages (user first, roles alternate between the
 * user side and the assistant side); `response` has one message for supervised rows, two for preference rows
 * (chosen, rejected) and none for text to be continued. Stage `pt` puts the text into `prompt[0].content`.
 */
export interface Example {
  prompt: Message[];
  response: Message[];
  system: string;
  /** A JSON list of tool descriptions, or the empty string. */
  tools: string;
  source: RowSource;
}

/** One row that does not go into training, or goes in changed, and why. */
export interface RowIssue {
  source: RowSource;
  kind: 'dropped' | 'repaired' | 'truncated';
  /** A stable snake_case code, such as `empty_answer` or `bad_role_order`. */
  reason: string;
  field?: string;
  detail: string;
}
