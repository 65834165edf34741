// In: one model of a chat and the conversation with it. Out: its answer as it comes, then how long it took. An answer that is
// stopped keeps what there is of it.
import type { ChatAskMessage, SamplingAsk, ServedModel } from '#factory/records/served-model.ts';

export interface ChatSide {
  name: string;
  model: ServedModel;
}

export interface SideAnswer {
  text: string;
  finish: 'stop' | 'length' | 'tool_calls' | 'content_filter' | 'cancelled';
  tokens: number;
  /** Milliseconds until the first piece, and in all. */
  firstMs: number;
  totalMs: number;
}

export interface AskDeps {
  signal: AbortSignal;
  /** Milliseconds, monotonic. */
  clock(): number;
  onText(delta: string): void;
  onThought(delta: string): void;
}

export async function askSide(
  { model }: ChatSide,
  messages: readonly ChatAskMessage[],
  sampling: SamplingAsk,
  { signal, clock, onText, onThought }: AskDeps,
): Promise<SideAnswer> {
  const begun = clock();
  const answer: SideAnswer = { text: '', finish: 'cancelled', tokens: 0, firstMs: 0, totalMs: 0 };
  const ask = {
    messages,
    tools: [],
    toolChoice: 'auto' as const,
    parallelToolCalls: true,
    format: { kind: 'text' as const },
    sampling,
  };
  try {
    for await (const part of model.chat(ask, signal)) {
      if (answer.firstMs === 0) answer.firstMs = clock() - begun;
      if (part.kind === 'text') {
        answer.text += part.text;
        onText(part.text);
      } else if (part.kind === 'reasoning') onThought(part.text);
      else if (part.kind === 'end') {
        answer.finish = part.finish;
        answer.tokens = part.usage.completionTokens;
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  answer.totalMs = clock() - begun;
  return answer;
}

export const message = (role: ChatAskMessage['role'], content: string): ChatAskMessage => ({
  role,
  content,
  toolCalls: [],
  toolCallId: null,
});
