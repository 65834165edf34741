// In: a GGUF file and settings. Out: a TokenEngine over llama.cpp in a process of its own: questions are checked, wait in a bounded
// queue, and are answered side by side. Text, templates and stop texts are the asker's; passes are `llama/batcher.ts`'s.
import { randomInt } from 'node:crypto';
import { FactoryError } from '#factory/errors.ts';
import type { TokenAsk, TokenEngine, TokenEvent } from '#factory/records/token-engine.ts';
import { checkAsk, checkIds } from './llama/check-ask.ts';
import { checkModelFile } from './llama/check-file.ts';
import { grammarOf } from './llama/grammar.ts';
import { type Mailbox, openMailbox } from './llama/mailbox.ts';
import type { FromEngine, KeyedAdapter, LlamaFacts, SentAsk, ToEngine } from './llama/messages.ts';
import { failureError, startLlama } from './llama/process.ts';
import type { LlamaEngineOptions } from './llama-settings.ts';

export interface LlamaEngine extends TokenEngine {
  readonly facts: LlamaFacts;
  /** Of the process that holds the model; null while there is none. */
  readonly pid: number | null;
  readonly restarts: number;
  /** Questions that wait for a slot. */
  readonly waiting: number;
  readonly adapters: readonly string[];
}

interface Adapter extends KeyedAdapter {
  /** Questions that wait or are answered. */
  users: number;
  onUnused: (() => void) | null;
}

interface Question {
  id: number;
  message: ToEngine;
  adapter: Adapter | null;
  askedAt: number;
  sentAt: number;
  promptTokens: number;
  /** Tokens and the end, or rows of scores. */
  box: Mailbox<TokenEvent | Float32Array>;
}

interface Call {
  resolve(value: readonly Float32Array[]): void;
  reject(error: unknown): void;
}

export async function openLlamaEngine(options: LlamaEngineOptions): Promise<LlamaEngine> {
  const { queue: mostWaiting, ...settings } = options;
  await checkModelFile(settings.modelPath);
  const adapters = new Map<string, Adapter>();
  /** Those that were swapped or unloaded too, as long as a question needs them. */
  const known = new Set<Adapter>();
  const waiting: Question[] = [];
  const asked = new Map<number, Question>();
  const calls = new Map<number, Call>();
  const idle: (() => void)[] = [];
  let facts: LlamaFacts | null = null;
  let failure: FactoryError | null = null;
  let isUp = false;
  let closing = false;
  let lastId = 0;

  const forget = (question: Question) => {
    asked.delete(question.id);
    if (question.adapter && --question.adapter.users === 0) question.adapter.onUnused?.();
    dispatch();
    if (asked.size === 0 && waiting.length === 0) for (const resolve of idle.splice(0)) resolve();
  };
  const dispatch = () => {
    while (isUp && waiting.length > 0 && asked.size < settings.slots) {
      const question = waiting.shift() as Question;
      question.sentAt = performance.now();
      asked.set(question.id, question);
      llama.send(question.message);
    }
  };
  const onTick = ({ tokens, details, ends }: Extract<FromEngine, { kind: 'tick' }>) => {
    for (let i = 0; i < tokens.length; i += 2) {
      const detail = details?.[i / 2] ?? null;
      const [logprob, top] = detail === null ? [null, []] : [detail.logprob, detail.top];
      asked.get(tokens[i])?.box.put({ kind: 'token', id: tokens[i + 1], logprob, top });
    }
    for (const { id, finish, cachedTokens, waitedMs } of ends) {
      const question = asked.get(id);
      if (question === undefined) continue;
      if (typeof finish === 'object') question.box.fail(failureError(finish));
      else {
        const queuedMs = question.sentAt - question.askedAt + waitedMs;
        question.box.put({
          kind: 'end',
          finish,
          promptTokens: question.promptTokens,
          cachedTokens,
          queuedMs,
        });
        question.box.end();
      }
      forget(question);
    }
  };
  const onMessage = (message: Exclude<FromEngine, { kind: 'opened' }>) => {
    if (message.kind === 'tick') return onTick(message);
    if (message.id === null) return;
    const question = asked.get(message.id);
    const call = calls.get(message.id);
    if (message.kind === 'scores') return question?.box.put(message.rows);
    calls.delete(message.id);
    if (message.kind === 'failed') {
      const error = failureError(message.failure);
      question?.box.fail(error);
      call?.reject(error);
    } else if (message.kind === 'vectors') call?.resolve(message.vectors);
    else {
      question?.box.end();
      call?.resolve([]);
    }
    if (question) forget(question);
  };
  const onDown = (error: FactoryError) => {
    // What waits is answered by the next process, unless that could not be started.
    const lost = isUp ? [...asked.values()] : [...asked.values(), ...waiting.splice(0)];
    if (!isUp) failure = error;
    isUp = false;
    for (const call of calls.values()) call.reject(error);
    calls.clear();
    for (const question of lost) {
      question.box.fail(error);
      forget(question);
    }
  };
  const llama = await startLlama(settings, {
    up(opened) {
      facts = opened;
      failure = null;
      isUp = true;
      queueMicrotask(dispatch);
    },
    message: onMessage,
    down: onDown,
    adapters: () => [...known].map(({ key, path, scale }) => ({ key, path, scale })),
  });
  const { contextSize, vocabSize, pooling } = facts as unknown as LlamaFacts;

  const call = (message: (id: number) => ToEngine, signal?: AbortSignal) =>
    new Promise<readonly Float32Array[]>((resolve, reject) => {
      const refused = refusal();
      if (refused) return reject(refused);
      const id = ++lastId;
      calls.set(id, { resolve, reject });
      signal?.addEventListener('abort', () => calls.delete(id) && reject(signal.reason), { once: true });
      llama.send(message(id));
    });
  const refusal = (): FactoryError | null => {
    if (closing) return stopped();
    return failure;
  };
  const submit = (
    adapterName: string | null,
    promptTokens: number,
    messageOf: (id: number, key: string | null) => ToEngine,
  ): Question => {
    const refused = refusal();
    if (refused) throw refused;
    const adapter = adapterName === null ? null : adapters.get(adapterName);
    if (adapter === undefined) throw unknownAdapter(adapterName as string, [...adapters.keys()]);
    if (waiting.length >= mostWaiting && asked.size >= settings.slots) throw busy(mostWaiting);
    const id = ++lastId;
    const now = performance.now();
    const message = messageOf(id, adapter?.key ?? null);
    const question: Question = {
      id,
      message,
      adapter,
      askedAt: now,
      sentAt: now,
      promptTokens,
      box: openMailbox(),
    };
    if (adapter) adapter.users++;
    waiting.push(question);
    dispatch();
    return question;
  };
  /** What the engine tells about a question, until its end; leaving early stops it. */
  async function* listen(question: Question, signal: AbortSignal): AsyncGenerator<TokenEvent | Float32Array> {
    const onAbort = () => question.box.fail(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      yield* question.box.read();
    } finally {
      signal.removeEventListener('abort', onAbort);
      withdraw(question);
    }
  }
  const withdraw = (question: Question) => {
    const at = waiting.indexOf(question);
    if (at >= 0) waiting.splice(at, 1);
    else if (!asked.has(question.id)) return;
    else llama.send({ kind: 'abort', id: question.id });
    forget(question);
  };
  /** Takes an adapter away once nothing uses it. */
  const retire = async (adapter: Adapter) => {
    if (adapter.users > 0) await new Promise<void>((resolve) => (adapter.onUnused = resolve));
    known.delete(adapter);
    if (isUp) await call((id) => ({ kind: 'unload', id, key: adapter.key }));
  };

  return {
    contextSize,
    vocabSize,
    slots: settings.slots,
    get facts() {
      return facts as unknown as LlamaFacts;
    },
    get pid() {
      return llama.pid;
    },
    get restarts() {
      return llama.restarts;
    },
    get waiting() {
      return waiting.length;
    },
    get adapters() {
      return [...adapters.keys()];
    },
    async *generate(ask, signal) {
      checkAsk(ask, contextSize, vocabSize);
      const sent = sentAsk(ask);
      if (ask.sampling.maxTokens === 0) {
        yield {
          kind: 'end',
          finish: 'length',
          promptTokens: ask.prompt.length,
          cachedTokens: 0,
          queuedMs: 0,
        };
        return;
      }
      const question = submit(ask.adapter, ask.prompt.length, (id, adapter) => ({
        kind: 'ask',
        id,
        ask: { ...sent, adapter },
      }));
      yield* listen(question, signal) as AsyncGenerator<TokenEvent>;
    },
    async embed(inputs, signal) {
      if (!pooling) throw noEmbeddings();
      for (const ids of inputs) checkIds(ids, contextSize, vocabSize);
      return [
        ...(await call(
          (id) => ({ kind: 'embed', id, inputs: inputs.map((ids) => Uint32Array.from(ids)) }),
          signal,
        )),
      ];
    },
    async scoreAll(prompt, adapter, signal) {
      checkIds(prompt, contextSize + 1, vocabSize);
      const question = submit(adapter, prompt.length, (id, key) => ({
        kind: 'score',
        id,
        prompt: Uint32Array.from(prompt),
        adapter: key,
      }));
      const rows: Float32Array[] = [];
      for await (const some of listen(question, signal) as AsyncGenerator<Float32Array>)
        for (let at = 0; at < some.length; at += vocabSize) rows.push(some.subarray(at, at + vocabSize));
      return rows;
    },
    async loadAdapter(name, path, scale) {
      const adapter: Adapter = { key: `${name}#${++lastId}`, path, scale, users: 0, onUnused: null };
      await call((id) => ({ kind: 'load', id, adapter: { key: adapter.key, path, scale } }));
      known.add(adapter);
      const before = adapters.get(name);
      adapters.set(name, adapter);
      // Its answers go on; nobody waits for them here.
      if (before) retire(before).catch(() => {});
    },
    async unloadAdapter(name) {
      const adapter = adapters.get(name);
      if (adapter === undefined) throw unknownAdapter(name, [...adapters.keys()]);
      adapters.delete(name);
      await retire(adapter);
    },
    isReady: () => isUp && !closing,
    async close() {
      closing = true;
      if (asked.size > 0 || waiting.length > 0) await new Promise<void>((resolve) => idle.push(resolve));
      await llama.close();
    },
  };
}

function sentAsk(ask: TokenAsk): Omit<SentAsk, 'adapter'> {
  return {
    prompt: Uint32Array.from(ask.prompt),
    stopIds: [...ask.stopIds],
    sampling: { ...ask.sampling, logitBias: { ...ask.sampling.logitBias } },
    // The greatest number of 32 bits means "any seed" to llama.cpp.
    seed:
      ask.sampling.seed === null
        ? randomInt(0xffffffff)
        : Math.abs(Math.trunc(ask.sampling.seed)) % 0xffffffff,
    grammar: grammarOf(ask.format),
  };
}

function unknownAdapter(name: string, names: string[]): FactoryError {
  return new FactoryError({
    code: 'SERVE_ASK',
    message: `No adapter "${name}" is loaded; there is ${names.length > 0 ? names.join(', ') : 'none'}`,
    remedy: 'Name a loaded adapter, or load this one first.',
  });
}

function busy(most: number): FactoryError {
  return new FactoryError({
    code: 'SERVE_BUSY',
    message: `All slots are in use and ${most} questions wait already`,
    remedy: 'Ask again later, or set more `slots` or a longer `queue`.',
  });
}

function stopped(): FactoryError {
  return new FactoryError({
    code: 'SERVE_ENGINE',
    message: 'The engine is being closed and takes no more questions',
    remedy: 'Ask another server, or start this one again.',
  });
}

function noEmbeddings(): FactoryError {
  return new FactoryError({
    code: 'SERVE_ASK',
    message: 'This model pools no vector of a text: its file has no `pooling_type`',
    remedy: 'Ask a model that was made for embeddings.',
  });
}
