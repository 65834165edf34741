// In: a decoder of ours. Out: an engine that continues token ids, one answer at a time: for models that are no GGUF file,
// and to compare with. What only llama.cpp can do here (grammars, log-probabilities, vectors) is refused by name.
import { randomInt } from 'node:crypto';
import { FactoryError } from '#factory/errors.ts';
import type { Decoder } from '#factory/model/decoder.ts';
import { generateTokens } from '#factory/model/generate.ts';
import { seededRandom } from '#factory/records/seeded-random.ts';
import type { TokenAsk, TokenEngine, TokenEvent } from '#factory/records/token-engine.ts';

type OwnEngine = Pick<TokenEngine, 'contextSize' | 'vocabSize' | 'generate' | 'embed' | 'isReady'>;

export function ownTokenEngine(decoder: Decoder): OwnEngine {
  const { maxPositions, vocabSize } = decoder.config;
  let turn: Promise<void> = Promise.resolve();

  async function* generate(ask: TokenAsk, signal: AbortSignal): AsyncGenerator<TokenEvent> {
    checkAsk(ask, maxPositions);
    const before = turn;
    let done = () => {};
    turn = new Promise((resolve) => {
      done = resolve;
    });
    const stop = new AbortController();
    const both = AbortSignal.any([signal, stop.signal]);
    const asked = performance.now();
    let work: Promise<unknown> = before;
    try {
      await before;
      signal.throwIfAborted();
      const queuedMs = performance.now() - asked;
      const events: TokenEvent[] = [];
      let wake = () => {};
      work = tokens(ask, both, queuedMs, (event) => {
        events.push(event);
        wake();
      });
      for (;;) {
        const event = events.shift();
        if (event) {
          yield event;
          if (event.kind === 'end') return;
          continue;
        }
        const next = new Promise<void>((resolve) => {
          wake = resolve;
        });
        if (events.length === 0) await Promise.race([next, work]);
        if (events.length === 0) {
          await work;
          signal.throwIfAborted();
        }
      }
    } finally {
      stop.abort();
      await work.catch(() => {});
      done();
    }
  }

  async function tokens(
    { prompt, stopIds, sampling }: TokenAsk,
    signal: AbortSignal,
    queuedMs: number,
    tell: (event: TokenEvent) => void,
  ): Promise<void> {
    const random = seededRandom(sampling.seed ?? randomInt(2 ** 32));
    const [{ finish }] = await generateTokens(decoder, [prompt], {
      maxNewTokens: sampling.maxTokens ?? maxPositions,
      doSample: sampling.temperature > 0,
      temperature: sampling.temperature,
      topK: sampling.topK,
      topP: sampling.topP,
      repetitionPenalty: sampling.repetitionPenalty,
      stopIds,
      signal,
      random: () => random.next(),
      onToken: (_row, id) => {
        tell({ kind: 'token', id, logprob: null, top: [] });
        return true;
      },
    });
    if (finish !== 'cancelled')
      tell({ kind: 'end', finish, promptTokens: prompt.length, cachedTokens: 0, queuedMs });
  }

  return {
    contextSize: maxPositions,
    vocabSize,
    generate,
    async embed() {
      throw refused('vectors of texts');
    },
    isReady: () => true,
  };
}

function checkAsk({ sampling, format, prompt }: TokenAsk, contextSize: number): void {
  if (prompt.length >= contextSize)
    throw new FactoryError({
      code: 'SERVE_CONTEXT',
      message: `expected a prompt of at most ${contextSize - 1} tokens, found ${prompt.length}`,
      remedy: 'Shorten the conversation.',
    });
  if (format.kind !== 'text') throw refused(`answers of format ${format.kind}`);
  if (sampling.logprobs !== null) throw refused('log-probabilities');
  const { minP, presencePenalty, frequencyPenalty, logitBias } = sampling;
  if (minP > 0) throw refused('min_p');
  if (presencePenalty !== 0 || frequencyPenalty !== 0) throw refused('presence and frequency penalties');
  if (Object.keys(logitBias).length > 0) throw refused('logit_bias');
}

function refused(what: string): FactoryError {
  return new FactoryError({
    code: 'SERVE_ASK',
    message: `${what}: not to be had from a model that runs on the trainer's own engine`,
    remedy: 'Export the model to GGUF and serve that file, or leave it out of the request.',
  });
}
