// In: an engine that continues token ids, a tokenizer and a template. Out: a model that can be asked over HTTP or in the
// terminal. The prompt is the template's, as in training; what the engine samples and how it queues is the engine's.
import { FactoryError } from '#factory/errors.ts';
import type {
  AnswerFormat,
  AnswerPart,
  ChatAsk,
  SamplingAsk,
  ServedModel,
  TextAsk,
} from '#factory/records/served-model.ts';
import type { AnswerPiece, AnswerReader, ServedTemplate } from '#factory/records/served-template.ts';
import type { StreamDecoder, StreamDecoderOptions } from '#factory/records/stream-decoder.ts';
import type { TokenEngine } from '#factory/records/token-engine.ts';
import type { TextTokenizer } from '#factory/records/tokenizer.ts';
import { type LogprobLedger, logprobLedger } from './token-logprobs.ts';

export interface EmbeddedOptions {
  id: string;
  engine: Pick<TokenEngine, 'contextSize' | 'vocabSize' | 'generate' | 'embed' | 'isReady'>;
  /** Which of the engine's adapters is on. */
  adapter: string | null;
  tokenizer: TextTokenizer;
  /** Null: the model knows no conversations. */
  template: ServedTemplate | null;
  skipSpecialTokens: boolean;
  decoder(options: StreamDecoderOptions): StreamDecoder;
  bytesOf(id: number): Uint8Array;
  can: { embeddings: boolean; logprobs: boolean; jsonSchema: boolean };
  fingerprint: string;
  /** A new name for a tool call. */
  callId(): string;
  /** Called once all answers under way have ended. */
  release(): Promise<void>;
}

interface Run {
  prompt: readonly number[];
  stopIds: readonly number[];
  format: AnswerFormat;
  sampling: SamplingAsk;
  reader: AnswerReader | null;
  markers: ReadonlyMap<number, string>;
  /** The answer ends behind its first whole call. */
  oneCall: boolean;
}

export function embeddedModel(options: EmbeddedOptions): ServedModel {
  const { id, engine, adapter, tokenizer, template } = options;
  const running = new Set<Promise<void>>();
  let closing: Promise<void> | null = null;

  async function* answer(run: Run, signal: AbortSignal): AsyncGenerator<AnswerPart> {
    if (closing) throw closed(id);
    let finished = () => {};
    const under = new Promise<void>((resolve) => {
      finished = resolve;
    });
    running.add(under);
    // Aborting this one ends the generation, whoever asked for that.
    const ours = new AbortController();
    const onAbort = () => ours.abort(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      yield* generate(run, ours.signal);
    } finally {
      ours.abort();
      signal.removeEventListener('abort', onAbort);
      running.delete(under);
      finished();
    }
  }

  async function* generate(run: Run, signal: AbortSignal): AsyncGenerator<AnswerPart> {
    const { prompt, sampling, reader } = run;
    const { stop: stopWords, ...engineSampling } = sampling;
    const decoder = options.decoder({
      stopWords,
      skipSpecialTokens: options.skipSpecialTokens,
      keep: run.markers,
    });
    const ledger = sampling.logprobs === null ? null : logprobLedger(tokenizer, options.bytesOf);
    let completionTokens = 0;
    let reasoningTokens = 0;
    let end = { finish: 'stop' as 'stop' | 'length', cachedTokens: 0, queuedMs: null as number | null };
    let isOver = false;
    const parts = (pieces: AnswerPiece[], isStop: boolean) => toParts(pieces, ledger, isStop, options.callId);
    const read = (text: string) => (reader ? reader.push(text) : textPiece(text));

    const { format } = run;
    const ask = { prompt, adapter, stopIds: run.stopIds, sampling: engineSampling, format };
    for await (const event of engine.generate(ask, signal)) {
      if (event.kind === 'end') {
        end = event;
        isOver = true;
        break;
      }
      completionTokens++;
      if (reader?.isThinking) reasoningTokens++;
      ledger?.add(event);
      const { text, stop } = decoder.push(event.id);
      yield* parts(read(text), stop !== null);
      isOver = stop !== null || (run.oneCall && reader !== null && reader.wholeCalls > 0);
      if (isOver) break;
    }
    if (!isOver) signal.throwIfAborted();
    yield* parts(read(decoder.end().text), false);
    if (reader) yield* parts(reader.end(), false);
    yield {
      kind: 'end',
      finish: end.finish === 'stop' && reader && reader.calls > 0 ? 'tool_calls' : end.finish,
      usage: {
        promptTokens: prompt.length,
        cachedTokens: end.cachedTokens,
        completionTokens,
        reasoningTokens,
      },
      queuedMs: end.queuedMs,
    };
  }

  const textIds = (input: string | readonly number[]): readonly number[] => {
    if (typeof input !== 'string') return checkIds(input, engine.vocabSize);
    const ids = tokenizer.encode(input.toWellFormed());
    return tokenizer.addsBos && tokenizer.bosId !== null ? [tokenizer.bosId, ...ids] : ids;
  };

  return {
    id,
    contextSize: engine.contextSize,
    can: {
      chat: template !== null,
      completions: true,
      tools: template?.canCall ?? false,
      ...options.can,
    },
    fingerprint: options.fingerprint,
    async *chat(ask: ChatAsk, signal: AbortSignal) {
      if (!template) throw noTemplate(id);
      const prepared = template.prepare(ask);
      const { toolChoice } = ask;
      const oneCall = !ask.parallelToolCalls || typeof toolChoice === 'object' || toolChoice === 'required';
      yield* answer({ ...prepared, sampling: ask.sampling, oneCall }, signal);
    },
    async *complete({ prompt, format, sampling }: TextAsk, signal: AbortSignal) {
      const stopIds = tokenizer.eosId === null ? [] : [tokenizer.eosId];
      const plain = { reader: null, markers: new Map<number, string>(), oneCall: false };
      yield* answer({ prompt: textIds(prompt), stopIds, format, sampling, ...plain }, signal);
    },
    async embed(inputs, signal) {
      if (closing) throw closed(id);
      const ids = inputs.map(textIds);
      const work = engine.embed(ids, signal);
      const under = work.then(
        () => {},
        () => {},
      );
      running.add(under);
      try {
        return { vectors: await work, promptTokens: ids.reduce((n, list) => n + list.length, 0) };
      } finally {
        running.delete(under);
      }
    },
    isReady: () => closing === null && engine.isReady(),
    close() {
      closing ??= Promise.all(running).then(() => options.release());
      return closing;
    },
  };
}

function* toParts(
  pieces: AnswerPiece[],
  ledger: LogprobLedger | null,
  isStop: boolean,
  callId: () => string,
): Generator<AnswerPart> {
  for (const piece of pieces) {
    if (piece.kind === 'text')
      yield { kind: 'text', text: piece.text, logprobs: ledger?.take(piece.text, isStop) ?? [] };
    else if (piece.kind === 'reasoning') yield piece;
    else
      yield {
        kind: 'tool_call',
        index: piece.index,
        id: piece.name === null ? null : callId(),
        name: piece.name,
        arguments: piece.arguments,
      };
    // What was thought or called is told without its tokens.
    if (piece.kind !== 'text') ledger?.drop();
  }
}

const textPiece = (text: string): AnswerPiece[] => (text === '' ? [] : [{ kind: 'text', text }]);

function checkIds(ids: readonly number[], vocabSize: number): readonly number[] {
  const bad = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize);
  if (bad === undefined) return ids;
  throw new FactoryError({
    code: 'SERVE_ASK',
    message: `expected token ids from 0 to ${vocabSize - 1}, found ${bad}`,
    remedy: "Send text, or ids of this model's own tokenizer.",
  });
}

function noTemplate(id: string): FactoryError {
  return new FactoryError({
    code: 'SERVE_ASK',
    message: `model ${id} has no chat template, so conversations cannot be rendered`,
    remedy: 'Ask /v1/completions, or serve the model with template set to the name that it was trained with.',
  });
}

function closed(id: string): FactoryError {
  return new FactoryError({
    code: 'SERVE_ENGINE',
    message: `model ${id} is being unloaded`,
    remedy: 'Ask another model, or ask again after it is loaded.',
  });
}
