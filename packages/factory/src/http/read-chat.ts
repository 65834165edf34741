// In: the body of a request to /v1/chat/completions. Out: what the model is asked and how the answer is sent, or an error that
// names the field. Pictures, sound and files are refused: a model of text would answer as if they were not there.
import type { ChatAsk, ChatAskMessage, ToolCall, ToolDescription } from '#factory/records/served-model.ts';
import { badRequest } from './api-error.ts';
import { type Fields, fieldsOf, needed, refuseUnknown, wrongType, wrongValue } from './fields.ts';
import {
  HARMLESS_FIELDS,
  openBody,
  readFormat,
  readSampling,
  readSending,
  SAMPLING_FIELDS,
  type Sending,
} from './read-sampling.ts';

export interface ChatRequest extends Sending {
  model: string;
  ask: ChatAsk;
}

const KNOWN = new Set<string>([
  ...SAMPLING_FIELDS,
  ...HARMLESS_FIELDS,
  'model',
  'messages',
  'max_tokens',
  'max_completion_tokens',
  'logprobs',
  'top_logprobs',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'modalities',
]);

const UNSUPPORTED = {
  audio: 'is not supported: answers are text',
  functions: "was replaced by 'tools'",
  function_call: "was replaced by 'tool_choice'",
  reasoning_effort: 'is not supported with this model',
  verbosity: 'is not supported with this model',
  web_search_options: 'is not supported: there is no web search',
};

const MOST_TOP_LOGPROBS = 20;
const MOST_TOKENS = 1_000_000_000;
const MOST_TOOLS = 128;
const ROLES = ['system', 'developer', 'user', 'assistant', 'tool'];

export function readChat(body: unknown): ChatRequest {
  const { fields, model } = openBody(body);
  refuseUnknown(fields, KNOWN, UNSUPPORTED);
  const modalities = fields.list('modalities');
  if (modalities !== null && (modalities.length !== 1 || modalities[0] !== 'text'))
    throw badRequest('modalities', "Invalid 'modalities': answers are text.", 'invalid_value');
  const messages = readMessages(needed(fields, 'messages', fields.list('messages')));
  const tools = readTools(fields);
  const maxTokens =
    fields.int('max_completion_tokens', 1, MOST_TOKENS) ?? fields.int('max_tokens', 1, MOST_TOKENS);
  return {
    model,
    ...readSending(fields),
    ask: {
      messages,
      tools,
      toolChoice: readChoice(fields, tools),
      parallelToolCalls: fields.bool('parallel_tool_calls') ?? true,
      format: readFormat(fields),
      sampling: readSampling(fields, maxTokens, readLogprobs(fields)),
    },
  };
}

function readLogprobs(fields: Fields): number | null {
  const wants = fields.bool('logprobs') ?? false;
  const top = fields.int('top_logprobs', 0, MOST_TOP_LOGPROBS);
  if (top !== null && !wants)
    throw badRequest(
      'top_logprobs',
      "Invalid 'top_logprobs': it is only allowed when 'logprobs' is true.",
      'invalid_value',
    );
  return wants ? (top ?? 0) : null;
}

function readMessages(list: unknown[]): ChatAskMessage[] {
  if (list.length === 0)
    throw badRequest(
      'messages',
      "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
      'empty_array',
    );
  /** Calls that are still to be answered. */
  const open = new Set<string>();
  return list.map((value, at) => {
    const fields = fieldsOf(value, `messages[${at}]`);
    const role = needed(fields, 'role', fields.text('role'));
    if (!ROLES.includes(role)) throw wrongValue(fields.path('role'), role, ROLES);
    if (role === 'tool') {
      const id = needed(fields, 'tool_call_id', fields.text('tool_call_id'));
      if (!open.delete(id))
        throw badRequest(
          fields.path('tool_call_id'),
          "Invalid parameter: messages with role 'tool' must be a response to a preceding message with 'tool_calls'.",
          'invalid_value',
        );
      return { role, content: readContent(fields, true), toolCalls: [], toolCallId: id };
    }
    if (open.size > 0)
      throw badRequest(
        fields.path('role'),
        `An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: ${[...open].join(', ')}`,
        'invalid_value',
      );
    const toolCalls = role === 'assistant' ? readCalls(fields) : [];
    for (const { id } of toolCalls) open.add(id);
    return {
      role: role === 'developer' ? 'system' : (role as 'system' | 'user' | 'assistant'),
      content: readContent(fields, toolCalls.length === 0),
      toolCalls,
      toolCallId: null,
    };
  });
}

function readContent(fields: Fields, isNeeded: boolean): string {
  const raw = fields.raw('content');
  if (raw === null && !isNeeded) return '';
  const path = fields.path('content');
  const content = needed(fields, 'content', raw);
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) throw wrongType(path, 'a string or an array of objects', content);
  return content
    .map((one, at) => {
      const part = fieldsOf(one, `${path}[${at}]`);
      const type = needed(part, 'type', part.text('type'));
      if (type === 'text') return needed(part, 'text', part.text('text'));
      if (type === 'refusal') return needed(part, 'refusal', part.text('refusal'));
      if (['image_url', 'input_audio', 'file'].includes(type))
        throw badRequest(
          part.path('type'),
          `Invalid content type: '${type}'. The model reads text only.`,
          'invalid_value',
        );
      throw wrongValue(part.path('type'), type, ['text', 'refusal']);
    })
    .join('');
}

function readCalls(fields: Fields): ToolCall[] {
  if (fields.has('function_call'))
    throw badRequest(
      fields.path('function_call'),
      `Unsupported parameter: '${fields.path('function_call')}' was replaced by 'tool_calls'.`,
      'unsupported_parameter',
    );
  return (fields.list('tool_calls') ?? []).map((value, at) => {
    const call = fieldsOf(value, `${fields.path('tool_calls')}[${at}]`);
    const wanted = needed(call, 'function', call.object('function'));
    return {
      id: needed(call, 'id', call.text('id')),
      name: needed(wanted, 'name', wanted.text('name')),
      arguments: wanted.text('arguments') ?? '',
    };
  });
}

function readTools(fields: Fields): ToolDescription[] {
  const list = fields.list('tools') ?? [];
  if (list.length > MOST_TOOLS)
    throw badRequest(
      'tools',
      `Invalid 'tools': array too long. Expected an array with maximum length ${MOST_TOOLS}, but got an array with length ${list.length} instead.`,
      'array_above_max_length',
    );
  return list.map((value, at) => {
    const tool = fieldsOf(value, `tools[${at}]`);
    const type = needed(tool, 'type', tool.text('type'));
    if (type !== 'function') throw wrongValue(tool.path('type'), type, ['function']);
    const wanted = needed(tool, 'function', tool.object('function'));
    const name = needed(wanted, 'name', wanted.text('name'));
    if (!/^[\w.-]{1,64}$/.test(name))
      throw badRequest(
        wanted.path('name'),
        `Invalid '${wanted.path('name')}': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.`,
        'invalid_value',
      );
    wanted.object('parameters');
    return {
      name,
      description: wanted.text('description') ?? '',
      parameters: wanted.raw('parameters') ?? { type: 'object', properties: {} },
    };
  });
}

function readChoice(fields: Fields, tools: readonly ToolDescription[]): ChatAsk['toolChoice'] {
  const raw = fields.raw('tool_choice');
  if (raw === null) return 'auto';
  if (tools.length === 0 && raw !== 'none' && raw !== 'auto')
    throw badRequest(
      'tool_choice',
      "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.",
      'invalid_value',
    );
  if (raw === 'auto' || raw === 'none' || raw === 'required') return raw;
  if (typeof raw !== 'object') throw wrongValue('tool_choice', raw, ['none', 'auto', 'required']);
  const choice = fieldsOf(raw, 'tool_choice');
  const type = needed(choice, 'type', choice.text('type'));
  if (type !== 'function') throw wrongValue(choice.path('type'), type, ['function']);
  const wanted = needed(choice, 'function', choice.object('function'));
  const name = needed(wanted, 'name', wanted.text('name'));
  if (!tools.some((tool) => tool.name === name))
    throw badRequest(
      'tool_choice',
      `Tool choice '${name.slice(0, 64)}' not found in 'tools' parameter.`,
      'invalid_value',
    );
  return { name };
}
