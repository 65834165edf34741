// In: nothing. Out: what turns the parts of answers into OpenAI's JSON: as chunks of a stream, or as one object. chat-form.ts
// and text-form.ts are the two.
import type { AnswerPart, Usage } from '#factory/records/served-model.ts';

export type EndPart = Extract<AnswerPart, { kind: 'end' }>;
export type BodyPart = Exclude<AnswerPart, EndPart>;

export interface AnswerForm {
  /** Chunks before anything is known of a choice. */
  begin(choice: number): unknown[];
  chunk(choice: number, part: BodyPart): unknown;
  end(choice: number, finish: EndPart['finish']): unknown;
  /** The last chunk, without choices. */
  usage(usage: Usage): unknown;
  whole(choices: readonly { parts: readonly BodyPart[]; finish: EndPart['finish'] }[], usage: Usage): unknown;
}

/** What all chunks and the whole of one answer say alike. */
export interface AnswerHead {
  id: string;
  /** Seconds since 1970. */
  created: number;
  model: string;
  fingerprint: string;
  /** Every chunk says `usage: null` where the last one tells it. */
  includeUsage: boolean;
}

export function wireUsage(usage: Usage) {
  const { promptTokens, completionTokens, cachedTokens, reasoningTokens } = usage;
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
    completion_tokens_details: { reasoning_tokens: reasoningTokens },
  };
}
