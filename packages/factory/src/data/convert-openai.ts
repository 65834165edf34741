// In: one row with a list of OpenAI chat messages (role, content, tool_calls). Out: its draft, or the problem.
// Unlike LLaMA-Factory it never adds "detailed thinking off" to a row's system text.
import type { Message } from '#factory/records/message.ts';
import { leadingSystem, roleOf, splitTurns } from './convert-sharegpt.ts';
import type { DatasetEntry } from './dataset-info.ts';
import type { Columns } from './raw-row.ts';
import {
  cell,
  type Draft,
  describe,
  listCell,
  parseJson,
  toJson,
  toolsCell,
  wrongType,
} from './row-fields.ts';
import { isProblem, type Problem } from './row-reasons.ts';

/** Tool results that follow each other become one turn with this text between them (LLaMA-Factory's). */
const RESULT_SEPARATOR = '\n</tool_response>\n<tool_response>\n';

export function convertOpenai(row: Columns, entry: DatasetEntry): Draft | Problem {
  const { columns, tags } = entry;
  const repairs: Problem[] = [];
  const column = columns.messages!;
  const list = listCell(row, column, repairs);
  if (isProblem(list)) return list;
  const joined: unknown[] = list.map((raw, i) =>
    joinParts(raw, tags.content_tag!, `${column}[${i}].${tags.content_tag}`, repairs),
  );

  const leading = leadingSystem(row, joined, entry);
  if (isProblem(leading)) return leading;
  const messages: Message[] = [];
  let results: string[] = [];
  for (const [i, raw] of joined.slice(leading.skip).entries()) {
    const message = toMessage(raw, entry, `${column}[${i + leading.skip}]`, repairs);
    if (isProblem(message)) return message;
    if (message.role === 'observation') {
      results.push(message.content);
      continue;
    }
    if (results.length > 0) messages.push({ role: 'observation', content: results.join(RESULT_SEPARATOR) });
    results = [];
    messages.push(message);
  }
  if (results.length > 0) {
    const detail = `${results.length} tool result(s) at the end are left out`;
    repairs.push({ reason: 'trailing_tool_message', field: column, detail });
  }
  const tools = toolsCell(row, columns, repairs);
  if (typeof tools !== 'string') return tools;
  const drafted = splitTurns(row, messages, entry, leading.skip);
  if (isProblem(drafted)) return drafted;
  return { ...drafted, system: leading.system, tools, repairs };
}

function toMessage(
  raw: unknown,
  { tags }: DatasetEntry,
  field: string,
  repairs: Problem[],
): Message | Problem {
  const role = roleOf(raw, tags, field);
  if (typeof role !== 'string') return role;
  const content = cell(raw as object, tags.content_tag);
  const at = `${field}.${tags.content_tag}`;
  if (role === 'assistant' || role === 'function') {
    const calls = cell(raw as object, 'tool_calls');
    if (Array.isArray(calls) && calls.length > 0) {
      const text = callsText(calls, `${field}.tool_calls`, repairs);
      if (typeof text !== 'string') return text;
      if (typeof content === 'string' && content.trim() !== '') {
        repairs.push({
          reason: 'content_beside_tool_calls',
          field: at,
          detail: `left out: ${describe(content)}`,
        });
      }
      return { role: 'function', content: text };
    }
  }
  if (content === undefined || content === null) return { role, content: '' };
  if (typeof content !== 'string') return wrongType(at, 'a string', content);
  return { role, content };
}

/** The `function` objects of the calls as a JSON list. Arguments in JSON text are parsed, so that they are not quoted twice. */
function callsText(calls: unknown[], field: string, repairs: Problem[]): string | Problem {
  const functions: unknown[] = [];
  let parsedAny = false;
  for (const [i, call] of calls.entries()) {
    const called = cell(Object(call), 'function');
    if (typeof called !== 'object' || called === null) {
      return { reason: 'bad_function_call', field: `${field}[${i}]`, detail: 'no "function" object' };
    }
    const args = cell(called, 'arguments');
    const parsed = typeof args === 'string' ? parseJson(args) : undefined;
    if (typeof parsed === 'object' && parsed !== null) parsedAny = true;
    functions.push(typeof parsed === 'object' && parsed !== null ? { ...called, arguments: parsed } : called);
  }
  if (parsedAny)
    repairs.push({ reason: 'tool_arguments_as_json', field, detail: 'arguments given as JSON text' });
  return toJson(functions) ?? { reason: 'bad_function_call', field, detail: 'nested too deeply' };
}

/** Content as a list of text parts becomes one string; a list with other parts is left for the type check. */
function joinParts(raw: unknown, tag: string, field: string, repairs: Problem[]): unknown {
  const content = cell(Object(raw), tag);
  if (!Array.isArray(content) || content.length === 0) return raw;
  const texts = content.map((part) =>
    cell(Object(part), 'type') === 'text' ? cell(part, 'text') : undefined,
  );
  if (!texts.every((text) => typeof text === 'string')) return raw;
  if (texts.length > 1)
    repairs.push({ reason: 'content_parts_joined', field, detail: `${texts.length} text parts` });
  return { ...(raw as object), [tag]: texts.join('') };
}
