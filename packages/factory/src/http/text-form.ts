// In: parts of the answers to plain prompts. Out: `text_completion` objects, as chunks or as a whole. Choice numbers run over all
// prompts: the answers to the first come first.
import type { TokenLogprob } from '#factory/records/served-model.ts';
import { type AnswerForm, type AnswerHead, type BodyPart, wireUsage } from './answer-form.ts';

/** `echoes[choice]` is the prompt where it is to stand before the answer, else empty. */
export function textForm(head: AnswerHead, hasLogprobs: boolean, echoes: readonly string[]): AnswerForm {
  const { id, created, model, fingerprint, includeUsage } = head;
  const chunk = (choices: unknown[], usage: unknown = null) => ({
    id,
    object: 'text_completion',
    created,
    model,
    system_fingerprint: fingerprint,
    choices,
    ...(includeUsage ? { usage } : {}),
  });
  const choiceOf = (index: number, text: string, finish: string | null, logprobs: unknown = null) => ({
    index,
    text,
    logprobs,
    finish_reason: finish,
  });
  /** Where the next token of a choice begins, in characters. */
  const offsets = new Map<number, number>();

  const told = (choice: number, tokens: readonly TokenLogprob[]) => {
    if (!hasLogprobs) return null;
    let offset = offsets.get(choice) ?? 0;
    const places = tokens.map(({ token }) => {
      const place = offset;
      offset += token.length;
      return place;
    });
    offsets.set(choice, offset);
    return {
      tokens: tokens.map(({ token }) => token),
      token_logprobs: tokens.map(({ logprob }) => logprob),
      top_logprobs: tokens.map(({ top }) =>
        Object.fromEntries(top.map(({ token, logprob }) => [token, logprob])),
      ),
      text_offset: places,
    };
  };

  return {
    begin: (choice) => (echoes[choice] ? [chunk([choiceOf(choice, echoes[choice], null)])] : []),
    chunk: (choice, part) => chunk([choiceOf(choice, textOf(part), null, told(choice, tokensOf(part)))]),
    end: (choice, finish) => chunk([choiceOf(choice, '', finish)]),
    usage: (usage) => chunk([], wireUsage(usage)),
    whole: (choices, usage) => ({
      id,
      object: 'text_completion',
      created,
      model,
      system_fingerprint: fingerprint,
      choices: choices.map(({ parts, finish }, index) =>
        choiceOf(
          index,
          echoes[index] + parts.map(textOf).join(''),
          finish,
          told(index, parts.flatMap(tokensOf)),
        ),
      ),
      usage: wireUsage(usage),
    }),
  };
}

const textOf = (part: BodyPart) => (part.kind === 'text' ? part.text : '');
const tokensOf = (part: BodyPart) => (part.kind === 'text' ? part.logprobs : []);
