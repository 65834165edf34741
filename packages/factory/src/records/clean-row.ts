// In: nothing. Out: the canonical form of a row while it is cleaned: what a person would call the row, whatever file
// format it came in. Its JSON has a fixed order of keys, so that equal rows have equal bytes.
import type { Message } from './message.ts';

/** `sft`: prompt and answer; `preference`: chosen and rejected; `feedback`: an answer and its other, empty side; `text`. */
export type RowKind = 'sft' | 'preference' | 'feedback' | 'text';

export interface CleanRow {
  kind: RowKind;
  /** Empty where there is none. */
  system: string;
  /** A JSON list of tool descriptions, or the empty string. */
  tools: string;
  /** As in `Example`: an odd number of turns, the user first; a text to be continued is `prompt[0]`. */
  prompt: Message[];
  /** One answer; two for preferences (chosen, rejected) and feedback (good, bad; one of them empty); none for texts. */
  response: Message[];
  /** Columns that play no part in training, such as a label, an id or a date: JSON values by column name. */
  extra: Record<string, unknown>;
}

/** JSON text without raw newlines; parts that are empty are left out. */
export function rowToJson({ kind, system, tools, prompt, response, extra }: CleanRow): string {
  const turns = (messages: readonly Message[]) => messages.map(({ role, content }) => ({ role, content }));
  const hasExtra = Object.keys(extra).length > 0;
  return JSON.stringify({
    kind,
    ...(system === '' ? {} : { system }),
    ...(tools === '' ? {} : { tools }),
    prompt: turns(prompt),
    ...(response.length === 0 ? {} : { response: turns(response) }),
    ...(hasExtra ? { extra } : {}),
  });
}

/** The inverse of `rowToJson`; for text that it wrote. */
export function rowFromJson(text: string): CleanRow {
  const { kind, system = '', tools = '', prompt, response = [], extra = {} } = JSON.parse(text) as CleanRow;
  return { kind, system, tools, prompt, response, extra };
}

/** Which text of a row: the system text, a turn of the prompt by its number, or an answer by its number. */
export interface TextPlace {
  part: 'system' | 'prompt' | 'response';
  index: number;
  role: Message['role'] | 'system';
}

/** Every text of the row in reading order; tool descriptions are JSON, not text. */
export function* textsOf(row: CleanRow): Generator<TextPlace & { text: string }> {
  if (row.system !== '') yield { part: 'system', index: 0, role: 'system', text: row.system };
  for (const [index, { role, content }] of row.prompt.entries())
    yield { part: 'prompt', index, role, text: content };
  for (const [index, { role, content }] of row.response.entries())
    yield { part: 'response', index, role, text: content };
}

/** The row with every text replaced; the same object where no text changed. */
export function mapTexts(row: CleanRow, change: (text: string, place: TextPlace) => string): CleanRow {
  let changed = false;
  const apply = (text: string, part: TextPlace['part'], index: number, role: TextPlace['role']) => {
    const after = change(text, { part, index, role });
    if (after !== text) changed = true;
    return after;
  };
  const system = row.system === '' ? '' : apply(row.system, 'system', 0, 'system');
  const turns = (messages: Message[], part: 'prompt' | 'response') =>
    messages.map(({ role, content }, index) => ({ role, content: apply(content, part, index, role) }));
  const prompt = turns(row.prompt, 'prompt');
  const response = turns(row.response, 'response');
  return changed ? { ...row, system, prompt, response } : row;
}
