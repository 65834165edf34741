// In: a chat template that came with a model whose training is not known. Out: the same as served-template.ts gives: the
// prompt is what the template itself writes, tools and all, encoded as one text; how calls look is told from its source.
import type { ChatAsk, ToolDescription } from '#factory/records/served-model.ts';
import type { ServedTemplate } from '#factory/records/served-template.ts';
import type { TextTokenizer } from '#factory/records/tokenizer.ts';
import { type JinjaMessage, renderChat } from '../jinja-template.ts';
import { unfit } from './conversation-turns.ts';
import { digest, planCalls, prepared } from './served-template.ts';

export interface JinjaOptions {
  tokenizer: TextTokenizer;
  stopIds: readonly number[];
  /** What templates are told of today. */
  date: string;
}

/** What a template writes around calls, the most telling first. */
const SIGNS: readonly (readonly [sign: string, format: string])[] = [
  ['<function=', 'qwen3_5'],
  ['<minimax:tool_call>', 'minimax2'],
  ['<tool_calls>', 'minimax1'],
  ['<arg_key>', 'glm4_moe'],
  ['<tool_call>', 'qwen'],
  ['[TOOL_CALLS]', 'mistral'],
  ['<|tool_call_start|>', 'lfm2'],
  ['<|tool_call>call:', 'gemma4'],
  ['<|python_tag|>', 'llama3'],
];

const THOUGHT = ['<think>\n', '\n</think>\n\n'] as const;

export function servedJinja({ tokenizer, stopIds, date }: JinjaOptions): ServedTemplate {
  const source = tokenizer.chatTemplate ?? '';
  const seed = source.includes('<seed:tool_call>') ? 'seed_oss' : null;
  const format = seed ?? SIGNS.find(([sign]) => source.includes(sign))?.[1] ?? null;
  const canCall = format !== null && source.includes('tools');
  const knowsThoughts = source.includes('</think>');
  return {
    fingerprint: digest('jinja', source, date, stopIds.join()),
    canCall,
    prepare(ask) {
      const plan = planCalls(ask, canCall ? format : 'none', format === 'mistral' ? '[TOOL_CALLS]' : '');
      const isRestricted = plan.format.kind !== 'text';
      let text = render(ask, plan.offered, isRestricted);
      let isOpen = knowsThoughts && text.trimEnd().endsWith(THOUGHT[0].trim());
      if (isOpen && isRestricted) {
        text += THOUGHT[1];
        isOpen = false;
      }
      const prompt = tokenizer.encode(text + plan.prefill);
      return prepared(prompt, stopIds, plan, tokenizer, {
        thought: knowsThoughts && !isRestricted ? { words: THOUGHT, isOpen } : null,
        calls: plan.calls,
      });
    },
  };

  function render(ask: ChatAsk, tools: readonly ToolDescription[], isRestricted: boolean): string {
    try {
      return renderChat(tokenizer, ask.messages.map(jinjaMessage), {
        addGenerationPrompt: true,
        date,
        ...(tools.length > 0 ? { tools: tools.map(jinjaTool) } : {}),
        ...(isRestricted ? { enableThinking: false } : {}),
      });
    } catch (cause) {
      throw unfit(
        `the model's own chat template cannot render this conversation: ${(cause as Error).message}`,
        'Let user and assistant follow each other, system text first, or serve the model with template set to a named one.',
        cause,
      );
    }
  }
}

function jinjaMessage({ role, content, toolCalls, toolCallId }: ChatAsk['messages'][number]): JinjaMessage {
  const calls = toolCalls.map(({ id, name, arguments: text }) => ({
    id,
    type: 'function',
    function: { name, arguments: parsed(text) },
  }));
  return {
    role,
    content: content.toWellFormed(),
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
    ...(toolCallId === null ? {} : { tool_call_id: toolCallId }),
  };
}

/** Templates print arguments as JSON, so text would be quoted twice. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function jinjaTool({ name, description, parameters }: ToolDescription): unknown {
  return {
    type: 'function',
    function: { name, ...(description === '' ? {} : { description }), parameters },
  };
}
