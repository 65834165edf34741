// In: a question and what the model can hold. Out: nothing, or a typed error: what would crash native code is refused before it gets
// there. Whether the adapter is loaded is the engine's to know.
import { FactoryError } from '#factory/errors.ts';
import type { TokenAsk } from '#factory/records/token-engine.ts';

/** Alternatives that can be told with a token. */
const MOST_LOGPROBS = 100;

export function checkAsk(ask: TokenAsk, contextSize: number, vocabSize: number): void {
  const { sampling } = ask;
  checkIds(ask.prompt, contextSize, vocabSize);
  inRange('temperature', sampling.temperature, 0, 100);
  inRange('top_p', sampling.topP, 0, 1);
  inRange('min_p', sampling.minP, 0, 1);
  inRange('top_k', sampling.topK, 0, 1e9);
  inRange('repetition_penalty', sampling.repetitionPenalty, 1e-3, 1e3);
  inRange('presence_penalty', sampling.presencePenalty, -100, 100);
  inRange('frequency_penalty', sampling.frequencyPenalty, -100, 100);
  if (sampling.maxTokens !== null) inRange('max_tokens', sampling.maxTokens, 0, Number.MAX_SAFE_INTEGER);
  if (sampling.seed !== null)
    inRange('seed', sampling.seed, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
  if (sampling.logprobs !== null) inRange('top_logprobs', sampling.logprobs, 0, MOST_LOGPROBS);
  for (const [id, bias] of Object.entries(sampling.logitBias)) {
    if (!isId(Number(id), vocabSize))
      throw bad(`logit_bias names ${id}, and ids are below ${vocabSize}`, 'logit_bias');
    inRange('logit_bias', bias, -1e9, 1e9);
  }
}

/** At least one token has to fit behind the ids. */
export function checkIds(ids: readonly number[], contextSize: number, vocabSize: number): void {
  if (ids.length === 0) throw bad('the prompt has no token', 'prompt');
  if (ids.length >= contextSize)
    throw new FactoryError({
      code: 'SERVE_CONTEXT',
      message: `The prompt has ${ids.length} tokens, and ${contextSize} fit with the answer`,
      remedy: 'Shorten the prompt, or serve the model with a larger `context_size`.',
      details: { promptTokens: ids.length, contextSize },
    });
  const wrong = ids.find((id) => !isId(id, vocabSize));
  if (wrong !== undefined)
    throw bad(`the prompt has the id ${wrong}, and ids are below ${vocabSize}`, 'prompt');
}

function inRange(name: string, value: number, least: number, most: number): void {
  if (!(value >= least && value <= most))
    throw bad(`${name} is ${value}, not from ${least} to ${most}`, name);
}

const isId = (id: number, vocabSize: number) => Number.isInteger(id) && id >= 0 && id < vocabSize;

function bad(found: string, name: string): FactoryError {
  return new FactoryError({
    code: 'SERVE_ASK',
    message: `The question cannot be asked: ${found}`,
    remedy: `Correct \`${name}\`.`,
    details: { parameter: name },
  });
}
