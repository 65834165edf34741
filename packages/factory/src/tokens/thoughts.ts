// In: the thought words of a reasoning template and the thinking settings. Out: which thoughts stay in a conversation, and
// where an empty block goes. LLaMA-Factory's ReasoningTemplate and Glm47ReasoningTemplate.
import type { TemplateSettings } from '#factory/records/chat-template.ts';
import type { Message } from '#factory/records/message.ts';
import type { TextTokenizer } from '#factory/records/tokenizer.ts';
import type { CompleteSpec } from './complete-spec.ts';

export interface ThoughtRules {
  /** An empty block. */
  readonly empty: readonly number[];
  /** The messages as all turns are learned. */
  inTurns(messages: Message[]): Message[];
  /** The messages as the last answer alone is learned or generated: history without thoughts. */
  inConversation(messages: Message[]): Message[];
  /** Whether a turn of `inTurns` may get an empty block. */
  fillsTurn(isLast: boolean): boolean;
  /** An empty block for an answer without thoughts: in the answer (and its loss) when thinking is on, else in the prompt. */
  addEmpty(source: number[], target: number[], answer: string): [number[], number[]];
}

export function thoughtRules(
  parts: Pick<CompleteSpec, 'kind' | 'thoughtWords'>,
  settings: TemplateSettings,
  tokenizer: TextTokenizer,
): ThoughtRules {
  const { thoughtWords } = parts;
  const [open, close] = thoughtWords;
  const empty = tokenizer.encode(parts.kind === 'glm47' ? close : open + close);
  const discardHistory = settings.maskHistory && !settings.preserveThinking;
  const clean = (messages: Message[], end: number) => removeThoughts(messages, end, thoughtWords);

  return {
    empty,
    inTurns(messages) {
      if (settings.enableThinking === false) return clean(messages, messages.length);
      return discardHistory ? clean(messages, messages.length - 2) : messages;
    },
    inConversation(messages) {
      const history = settings.preserveThinking ? messages : clean(messages, messages.length - 2);
      if (settings.enableThinking !== false) return history;
      return [...history.slice(0, -1), ...clean(history, history.length).slice(-1)];
    },
    fillsTurn: (isLast) => !discardHistory || isLast,
    addEmpty(source, target, answer) {
      if (answer.includes(open.trim()) || answer.includes(close.trim())) return [source, target];
      return settings.enableThinking ? [source, [...empty, ...target]] : [[...source, ...empty], target];
    },
  };
}

/** Takes the thoughts out of the assistant side (odd places) before `end`. */
function removeThoughts(messages: Message[], end: number, words: readonly [string, string]): Message[] {
  return messages.map((message, i) =>
    i % 2 === 1 && i < end ? { ...message, content: removeThought(message.content, words) } : message,
  );
}

function removeThought(content: string, [open, close]: readonly [string, string]): string {
  let out = '';
  let at = 0;
  for (;;) {
    const start = content.indexOf(open, at);
    const end = start < 0 ? -1 : content.indexOf(close, start + open.length);
    if (end < 0) break;
    out += content.slice(at, start);
    at = end + close.length;
  }
  return (out + content.slice(at)).replace(/^\n+/, '');
}
