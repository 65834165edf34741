// In: a template of training. Out: the same template as serving asks it: the prompt of a request by the code that rendered the
// rows, and a reader that takes answers in its formats apart.
import { createHash } from 'node:crypto';
import { FactoryError } from '#factory/errors.ts';
import type { AnswerFormat, ChatAsk, ToolDescription } from '#factory/records/served-model.ts';
import type { PreparedChat, ServedTemplate } from '#factory/records/served-template.ts';
import type { TextTokenizer } from '#factory/records/tokenizer.ts';
import type { ResolvedTemplate } from '../template.ts';
import { callGrammar } from './call-grammars.ts';
import { conversationTurns, unfit } from './conversation-turns.ts';
import { forcedCall } from './forced-call.ts';
import { type AnswerShape, readAnswer } from './read-answer.ts';

export function servedTemplate(template: ResolvedTemplate, tokenizer: TextTokenizer): ServedTemplate {
  return {
    fingerprint: template.fingerprint,
    canCall: callGrammar(template.answerFormat) !== null,
    prepare(ask) {
      const plan = planCalls(ask, template.answerFormat, template.callHead);
      const { messages, system, tools } = conversationTurns(ask.messages, plan.offered);
      let prompt: number[];
      try {
        const turns = [...messages, { role: 'assistant' as const, content: '' }];
        ({ prompt } = template.encodeOneTurn(turns, system, tools));
      } catch (error) {
        if (!(error instanceof FactoryError) || error.code !== 'TOKENS_BAD_TOOLS') throw error;
        throw unfit(error.message, 'Mend the tools or the earlier calls of the conversation.', error);
      }
      const isRestricted = plan.format.kind !== 'text';
      // A restricted answer leaves no room for thoughts, so they are told to be empty.
      const thinks = template.thoughtWords !== null && !isRestricted;
      if (isRestricted && template.settings.enableThinking) prompt.push(...template.emptyThought);
      if (plan.prefill) prompt.push(...tokenizer.encode(plan.prefill));
      return prepared(prompt, template.stopIds, plan, tokenizer, {
        thought: thinks && template.thoughtWords ? { words: template.thoughtWords, isOpen: false } : null,
        calls: plan.calls,
      });
    },
  };
}

export interface CallPlan {
  offered: readonly ToolDescription[];
  format: AnswerFormat;
  prefill: string;
  calls: AnswerShape['calls'];
  /** Words of the format that may be special tokens. */
  words: readonly string[];
}

/** What `tool_choice` and `response_format` make of an ask. */
export function planCalls(ask: ChatAsk, answerFormat: string, callHead: string): CallPlan {
  const { tools, toolChoice, format } = ask;
  if (tools.length === 0 || toolChoice === 'none') {
    if (typeof toolChoice === 'object' || toolChoice === 'required')
      throw unfit(
        'tool_choice asks for a call, and there are no tools',
        'Add tools, or leave out tool_choice.',
      );
    return { offered: [], format, prefill: '', calls: null, words: [] };
  }
  const grammar = callGrammar(answerFormat);
  if (!grammar)
    throw unfit(
      `tools: answers of this model's template (tool format ${answerFormat}) cannot be read for calls`,
      'Leave out tools, or serve the model with a template that has a tool format.',
    );
  if (format.kind !== 'text')
    throw unfit(
      `response_format ${format.kind} and tools exclude each other: a restricted answer could not be a call`,
      'Set tool_choice to none, or leave out response_format.',
    );
  if (toolChoice === 'auto') {
    const names = new Set(tools.map(({ name }) => name));
    const calls = { kind: 'grammar' as const, grammar, tools: names };
    return { offered: tools, format, prefill: '', calls, words: grammar.words };
  }
  const callable = toolChoice === 'required' ? tools : tools.filter(({ name }) => name === toolChoice.name);
  if (callable.length === 0)
    throw unfit(
      `tool_choice: expected one of the tools ${tools.map(({ name }) => name).join(', ')}, found ${JSON.stringify((toolChoice as { name: string }).name)}`,
      'Name a tool of the request in tool_choice.',
    );
  const forced = forcedCall(answerFormat, callable, callHead);
  return {
    offered: tools,
    format: { kind: 'json_schema', name: 'call', schema: forced.schema, strict: true },
    prefill: forced.prefill,
    calls: forced.calls,
    words: [],
  };
}

export function prepared(
  prompt: number[],
  stopIds: readonly number[],
  { format, words }: CallPlan,
  tokenizer: TextTokenizer,
  shape: AnswerShape,
): PreparedChat {
  const markers = new Map<number, string>();
  for (const word of [...words, ...(shape.thought?.words ?? [])]) {
    const id = tokenizer.tokenToId(word.trim());
    if (id !== null) markers.set(id, word.trim());
  }
  return { prompt, stopIds, format, reader: readAnswer(shape), markers };
}

export function digest(...parts: string[]): string {
  return createHash('sha256').update(parts.join('\n')).digest('hex');
}
