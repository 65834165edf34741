// In: one row with a list of {from, value} messages (by whatever tags). Out: its draft in normal form, or the problem.
import type { Message, Role } from '#factory/records/message.ts';
import type { DatasetEntry, TagMap } from './dataset-info.ts';
import type { Columns } from './raw-row.ts';
import {
  cell,
  type Draft,
  describe,
  ktoResponse,
  listCell,
  textCell,
  toolsCell,
  wrongType,
} from './row-fields.ts';
import { isProblem, type Problem } from './row-reasons.ts';
import { didYouMean, listNames } from './suggest-name.ts';

/** User and tool results stand in even places (from zero), answers and function calls in odd ones. */
const USER_SIDE: ReadonlySet<Role> = new Set<Role>(['user', 'observation']);

export function convertSharegpt(row: Columns, entry: DatasetEntry): Draft | Problem {
  const { columns, tags } = entry;
  const repairs: Problem[] = [];
  const column = columns.messages!;
  const list = listCell(row, column, repairs);
  if (isProblem(list)) return list;

  const leading = leadingSystem(row, list, entry);
  if (isProblem(leading)) return leading;
  const messages: Message[] = [];
  for (const [i, raw] of list.slice(leading.skip).entries()) {
    const message = toMessage(raw, tags, `${column}[${i + leading.skip}]`);
    if (isProblem(message)) return message;
    messages.push(message);
  }
  const tools = toolsCell(row, columns, repairs);
  if (typeof tools !== 'string') return tools;
  const drafted = splitTurns(row, messages, entry, leading.skip);
  if (isProblem(drafted)) return drafted;
  return { ...drafted, system: leading.system, tools, repairs };
}

/** A system message at the front overrides the system column. */
export function leadingSystem(
  row: Columns,
  list: unknown[],
  { columns, tags }: DatasetEntry,
): { system: string; skip: 0 | 1 } | Problem {
  const first = Object(list[0]);
  if (tags.system_tag !== null && cell(first, tags.role_tag) === tags.system_tag) {
    const system = textCell(first, tags.content_tag, `${columns.messages}[0].${tags.content_tag}`);
    return typeof system === 'string' ? { system, skip: 1 } : system;
  }
  const system = textCell(row, columns.system);
  return typeof system === 'string' ? { system, skip: 0 } : system;
}

/** Checks order and number of turns, then parts them into prompt and response. `offset` is for messages only. */
export function splitTurns(
  row: Columns,
  messages: Message[],
  entry: DatasetEntry,
  offset: number,
): Pick<Draft, 'prompt' | 'response' | 'preference'> | Problem {
  const { columns, ranking } = entry;
  const field = columns.messages!;
  if (messages.length === 0) return { reason: 'empty_conversation', field, detail: 'no messages' };
  for (const [i, { role }] of messages.entries()) {
    const expectsUser = i % 2 === 0;
    if (USER_SIDE.has(role) === expectsUser) continue;
    const expected = expectsUser ? 'a user or observation turn' : 'an assistant or function turn';
    return {
      reason: 'bad_role_order',
      field: `${field}[${i + offset}]`,
      detail: `expected ${expected}, found ${role}`,
    };
  }
  if ((messages.length % 2 === 0) === ranking) {
    const detail = `${messages.length} turns: expected ${ranking ? 'an odd' : 'an even'} number, so that the last is ${ranking ? 'the user' : 'an answer'}`;
    return { reason: 'bad_message_count', field, detail };
  }
  const label = cell(row, columns.kto_tag);
  if (typeof label === 'boolean' && !ranking) {
    const response = ktoResponse(messages.at(-1)!, label);
    return { prompt: messages.slice(0, -1), response, preference: 'kto' };
  }
  if (!ranking) return { prompt: messages.slice(0, -1), response: messages.slice(-1), preference: null };
  const response: Message[] = [];
  for (const column of [columns.chosen!, columns.rejected!]) {
    const message = toMessage(cell(row, column), entry.tags, column);
    if (isProblem(message)) return message;
    if (USER_SIDE.has(message.role)) {
      return {
        reason: 'bad_role_order',
        field: column,
        detail: `expected an assistant turn, found ${message.role}`,
      };
    }
    response.push(message);
  }
  return { prompt: messages, response, preference: 'dpo' };
}

function toMessage(raw: unknown, tags: TagMap, field: string): Message | Problem {
  const role = roleOf(raw, tags, field);
  if (typeof role !== 'string') return role;
  const content = cell(raw as object, tags.content_tag);
  if (content === undefined) return missingTag(raw as object, tags.content_tag!, field);
  if (typeof content !== 'string') return wrongType(`${field}.${tags.content_tag}`, 'a string', content);
  return { role, content };
}

/** The role of a raw message by the entry's tags. A system message is allowed in the first place only. */
export function roleOf(raw: unknown, tags: TagMap, field: string): Role | Problem {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw))
    return wrongType(field, 'a message object', raw);
  const found = cell(raw, tags.role_tag);
  if (found === undefined) return missingTag(raw, tags.role_tag!, field);
  const at = `${field}.${tags.role_tag}`;
  if (typeof found !== 'string') return wrongType(at, 'a role name', found);
  switch (found) {
    case tags.user_tag:
      return 'user';
    case tags.assistant_tag:
      return 'assistant';
    case tags.observation_tag:
      return 'observation';
    case tags.function_tag:
      return 'function';
    case tags.system_tag:
      return { reason: 'bad_role_order', field: at, detail: 'a system message stands after the first place' };
    default:
  }
  const roles = [tags.user_tag, tags.assistant_tag, tags.observation_tag, tags.function_tag, tags.system_tag];
  const known = roles.filter((tag) => tag !== null);
  const detail = `role ${describe(found)} is none of ${listNames(known)}.${didYouMean(found, known)}`;
  return { reason: 'unknown_role', field: at, detail };
}

function missingTag(raw: object, tag: string, field: string): Problem {
  const keys = Object.keys(raw);
  const detail = `expected key "${tag}", found ${keys.length === 0 ? 'none' : listNames(keys)}.${didYouMean(tag, keys)}`;
  return { reason: 'missing_tag', field, detail };
}
