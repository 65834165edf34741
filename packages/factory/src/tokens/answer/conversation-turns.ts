// In: the messages of a request. Out: turns as training has them, user side and assistant side by turns, or SERVE_ASK. What
// training joins is joined alike (tool results), what it leaves out is left out (text beside calls); rows that training
// drops are refused, but for turns of one side that follow each other and can be told as one.
import { FactoryError } from '#factory/errors.ts';
import type { Message, Role } from '#factory/records/message.ts';
import type { ChatAskMessage, ToolDescription } from '#factory/records/served-model.ts';

export interface ConversationTurns {
  /** Odd in number, the last one on the user's side. */
  messages: Message[];
  system: string;
  /** A JSON list, or the empty string. */
  tools: string;
}

/** As data/convert-openai.ts joins the results of one round of calls. */
const RESULT_SEPARATOR = '\n</tool_response>\n<tool_response>\n';
const TURN_SEPARATOR = '\n\n';

const SEPARATORS: Readonly<Partial<Record<Role, string>>> = {
  user: TURN_SEPARATOR,
  assistant: TURN_SEPARATOR,
  observation: RESULT_SEPARATOR,
};

export function conversationTurns(
  asked: readonly ChatAskMessage[],
  tools: readonly ToolDescription[],
): ConversationTurns {
  const from = asked.findIndex(({ role }) => role !== 'system');
  const leading = from < 0 ? asked : asked.slice(0, from);
  const messages: Message[] = [];
  for (const [i, message] of asked.entries()) {
    if (i < leading.length) continue;
    const turn = turnOf(message, i);
    const last = messages.at(-1);
    const isUsers = turn.role === 'user' || turn.role === 'observation';
    const expectsUser = messages.length % 2 === 0;
    if (isUsers === expectsUser) messages.push(turn);
    else if (last && last.role === turn.role && SEPARATORS[turn.role] !== undefined)
      last.content += SEPARATORS[turn.role] + turn.content;
    else throw wrongOrder(asked, i, expectsUser);
  }
  if (messages.length % 2 === 0) {
    throw unfit(
      messages.length === 0
        ? 'messages: expected a message of role user, found none'
        : 'messages: expected the last one to be of role user or tool, found an answer',
      'End the conversation with a message of role user or tool.',
    );
  }
  const system = leading.map(({ content }) => content.toWellFormed()).join(TURN_SEPARATOR);
  return { messages, system, tools: toolList(tools) };
}

function turnOf(message: ChatAskMessage, at: number): Message {
  const content = message.content.toWellFormed();
  switch (message.role) {
    case 'user':
      return { role: 'user', content };
    case 'tool':
      return { role: 'observation', content };
    case 'assistant':
      return message.toolCalls.length === 0
        ? { role: 'assistant', content }
        : { role: 'function', content: callsText(message) };
    case 'system':
      throw unfit(
        `messages[${at}]: expected system messages before all others, found one behind them`,
        'Put all system text at the start of the conversation.',
      );
  }
}

/** Arguments are parsed, as training parses those of its rows, so that they are not quoted twice. */
function callsText({ toolCalls }: ChatAskMessage): string {
  const calls = toolCalls.map(({ name, arguments: text }) => {
    let parsed: unknown;
    try {
      parsed = JSON.parse(text);
    } catch {
      parsed = undefined;
    }
    const isObject = typeof parsed === 'object' && parsed !== null;
    return { name, arguments: isObject ? parsed : text };
  });
  return JSON.stringify(calls).toWellFormed();
}

function toolList(tools: readonly ToolDescription[]): string {
  if (tools.length === 0) return '';
  const list = tools.map(({ name, description, parameters }) => ({
    type: 'function',
    function: { name, ...(description === '' ? {} : { description }), parameters },
  }));
  return JSON.stringify(list).toWellFormed();
}

function wrongOrder(asked: readonly ChatAskMessage[], at: number, expectsUser: boolean): FactoryError {
  const expected = expectsUser ? 'user or tool' : 'assistant';
  const before = at === 0 ? 'at the start' : `behind role ${asked[at - 1]?.role}`;
  return unfit(
    `messages[${at}]: expected role ${expected} ${before}, found ${asked[at]?.role}, an order that no training row has`,
    'Let messages of user (or tool) and assistant follow each other by turns.',
  );
}

export function unfit(message: string, remedy: string, cause?: unknown): FactoryError {
  return new FactoryError({ code: 'SERVE_ASK', message, remedy, cause });
}
