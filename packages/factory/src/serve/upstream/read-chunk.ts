// In: one chunk of an answer in OpenAI's words, of chat or of text. Out: the parts that it holds, and what it says of the end.
import type { AnswerPart, TokenLogprob, Usage } from '#factory/records/served-model.ts';

export type Finish = Extract<AnswerPart, { kind: 'end' }>['finish'];

export interface ReadChunk {
  parts: Exclude<AnswerPart, { kind: 'end' }>[];
  finish: Finish | null;
  usage: Usage | null;
}

interface WireDelta {
  content?: string | null;
  reasoning_content?: string | null;
  reasoning?: string | null;
  refusal?: string | null;
  tool_calls?:
    | {
        index?: number;
        id?: string | null;
        function?: { name?: string | null; arguments?: string | null };
      }[]
    | null;
}

interface WireToken {
  token: string;
  logprob: number;
  bytes?: number[] | null;
}

interface WireTextLogprobs {
  tokens?: string[];
  token_logprobs?: (number | null)[];
  top_logprobs?: (Record<string, number> | null)[] | null;
}

export interface WireChunk {
  choices?: {
    delta?: WireDelta;
    message?: WireDelta;
    text?: string;
    finish_reason?: string | null;
    logprobs?:
      | ({ content?: (WireToken & { top_logprobs?: WireToken[] })[] | null } & WireTextLogprobs)
      | null;
  }[];
  usage?: {
    prompt_tokens?: number;
    completion_tokens?: number;
    prompt_tokens_details?: { cached_tokens?: number } | null;
    completion_tokens_details?: { reasoning_tokens?: number } | null;
  } | null;
  error?: unknown;
}

export function readChunk(chunk: WireChunk): ReadChunk {
  const choice = chunk.choices?.[0];
  const parts: ReadChunk['parts'] = [];
  const delta = choice?.delta ?? choice?.message ?? {};
  const reasoning = delta.reasoning_content ?? delta.reasoning ?? '';
  if (reasoning !== '') parts.push({ kind: 'reasoning', text: reasoning });
  const text = choice?.text ?? delta.content ?? delta.refusal ?? '';
  const logprobs = logprobsOf(choice?.logprobs);
  if (text !== '' || logprobs.length > 0) parts.push({ kind: 'text', text, logprobs });
  for (const [place, call] of (delta.tool_calls ?? []).entries()) {
    parts.push({
      kind: 'tool_call',
      index: call.index ?? place,
      id: call.id || null,
      name: call.function?.name || null,
      arguments: call.function?.arguments ?? '',
    });
  }
  return { parts, finish: finishOf(choice?.finish_reason), usage: usageOf(chunk.usage) };
}

function finishOf(word: string | null | undefined): Finish | null {
  if (word === null || word === undefined || word === '') return null;
  if (word === 'length' || word === 'tool_calls' || word === 'content_filter') return word;
  return word === 'function_call' ? 'tool_calls' : 'stop';
}

function usageOf(usage: WireChunk['usage']): Usage | null {
  if (!usage) return null;
  return {
    promptTokens: usage.prompt_tokens ?? 0,
    cachedTokens: usage.prompt_tokens_details?.cached_tokens ?? 0,
    completionTokens: usage.completion_tokens ?? 0,
    reasoningTokens: usage.completion_tokens_details?.reasoning_tokens ?? 0,
  };
}

function logprobsOf(found: NonNullable<WireChunk['choices']>[number]['logprobs']): TokenLogprob[] {
  if (!found) return [];
  if (found.content)
    return found.content.map((one) => ({ ...tokenOf(one), top: (one.top_logprobs ?? []).map(tokenOf) }));
  return (found.tokens ?? []).map((token, at) => ({
    ...tokenOf({ token, logprob: found.token_logprobs?.[at] ?? 0 }),
    top: Object.entries(found.top_logprobs?.[at] ?? {}).map(([text, logprob]) =>
      tokenOf({ token: text, logprob }),
    ),
  }));
}

function tokenOf({ token, logprob, bytes }: WireToken): Omit<TokenLogprob, 'top'> {
  return { token, logprob, bytes: bytes ?? [...Buffer.from(token)] };
}
