// In: parts of the answers to a conversation. Out: `chat.completion.chunk` objects, or one `chat.completion`. What a reasoning
// model thinks stands in `reasoning_content`, as other servers have it.
import type { TokenLogprob } from '#factory/records/served-model.ts';
import { type AnswerForm, type AnswerHead, type BodyPart, wireUsage } from './answer-form.ts';

/** `newCallId` is for calls whose model gives them none. */
export function chatForm(head: AnswerHead, hasLogprobs: boolean, newCallId: () => string): AnswerForm {
  const { id, created, model, fingerprint, includeUsage } = head;
  const chunk = (choices: unknown[], usage: unknown = null) => ({
    id,
    object: 'chat.completion.chunk',
    created,
    model,
    system_fingerprint: fingerprint,
    choices,
    ...(includeUsage ? { usage } : {}),
  });
  const seen = new Set<string>();
  const choiceOf = (index: number, delta: unknown, finish: string | null, logprobs: unknown = null) => ({
    index,
    delta,
    logprobs,
    finish_reason: finish,
  });

  return {
    begin: (choice) => [chunk([choiceOf(choice, { role: 'assistant', content: '', refusal: null }, null)])],
    chunk(choice, part) {
      switch (part.kind) {
        case 'text':
          return chunk([
            choiceOf(choice, { content: part.text }, null, wireLogprobs(part.logprobs, hasLogprobs)),
          ]);
        case 'reasoning':
          return chunk([choiceOf(choice, { reasoning_content: part.text }, null)]);
        case 'tool_call': {
          const key = `${choice} ${part.index}`;
          const isFirst = !seen.has(key);
          seen.add(key);
          const call = isFirst
            ? {
                index: part.index,
                id: part.id ?? newCallId(),
                type: 'function',
                function: { name: part.name ?? '', arguments: part.arguments },
              }
            : { index: part.index, function: { arguments: part.arguments } };
          return chunk([choiceOf(choice, { tool_calls: [call] }, null)]);
        }
      }
    },
    end: (choice, finish) => chunk([choiceOf(choice, {}, finish)]),
    usage: (usage) => chunk([], wireUsage(usage)),
    whole: (choices, usage) => ({
      id,
      object: 'chat.completion',
      created,
      model,
      system_fingerprint: fingerprint,
      choices: choices.map(({ parts, finish }, index) => ({
        index,
        message: messageOf(parts, newCallId),
        logprobs: wireLogprobs(
          parts.flatMap((part) => (part.kind === 'text' ? part.logprobs : [])),
          hasLogprobs,
        ),
        finish_reason: finish,
      })),
      usage: wireUsage(usage),
    }),
  };
}

export function messageOf(parts: readonly BodyPart[], newCallId: () => string) {
  let text = '';
  let reasoning = '';
  const calls: { id: string; type: 'function'; function: { name: string; arguments: string } }[] = [];
  for (const part of parts) {
    if (part.kind === 'text') text += part.text;
    else if (part.kind === 'reasoning') reasoning += part.text;
    else {
      calls[part.index] ??= {
        id: part.id ?? newCallId(),
        type: 'function',
        function: { name: '', arguments: '' },
      };
      const wanted = calls[part.index].function;
      wanted.name ||= part.name ?? '';
      wanted.arguments += part.arguments;
    }
  }
  const made = calls.filter((call) => call !== undefined);
  return {
    role: 'assistant',
    content: text === '' && made.length > 0 ? null : text,
    refusal: null,
    ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
    ...(made.length === 0 ? {} : { tool_calls: made }),
  };
}

function wireLogprobs(tokens: readonly TokenLogprob[], isAsked: boolean) {
  if (!isAsked) return null;
  return { content: tokens.map(({ top, ...token }) => ({ ...token, top_logprobs: top })), refusal: null };
}
