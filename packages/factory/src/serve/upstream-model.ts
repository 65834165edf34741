// In: the address of an OpenAI-compatible server and the name of a model there. Out: that model as one that is served here.
// Answers are asked for as streams; JSON answers of servers that do not stream are read too.
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { text as readAll } from 'node:stream/consumers';
import { FactoryError } from '#factory/errors.ts';
import type { AnswerPart, ServedModel, Usage } from '#factory/records/served-model.ts';
import { chatBody, type MaxTokensName, textBody } from './upstream/ask-body.ts';
import { eventTexts } from './upstream/event-texts.ts';
import { openPost } from './upstream/post.ts';
import { type Finish, readChunk, type WireChunk } from './upstream/read-chunk.ts';
import { brokeWithin, noAnswer } from './upstream/upstream-error.ts';

export interface UpstreamOptions {
  id: string;
  /** As `http://localhost:8001/v1`. */
  url: string;
  /** Its name there. */
  model: string;
  key: string | undefined;
  contextSize: number | null;
  timeoutMs: number;
  retries: number;
  maxTokensName: MaxTokensName;
}

/** A server that was not reached counts as not ready for this long. */
const DOWN_MS = 5000;

/** `clock` gives milliseconds, monotonic. */
export function openUpstreamModel(options: UpstreamOptions, clock: () => number): ServedModel {
  const { id, model } = options;
  const url = options.url.replace(/\/+$/, '');
  const where = `${model} at ${new URL(url).host}`;
  const post = openPost({ ...options, url, where });
  let downUntil = Number.NEGATIVE_INFINITY;
  let underWay = 0;
  let idle: (() => void) | null = null;

  async function ask<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof FactoryError && error.details.code === 'upstream_unreachable')
        downUntil = clock() + DOWN_MS;
      throw error;
    }
  }

  async function* answer(path: string, body: unknown, signal: AbortSignal): AsyncGenerator<AnswerPart> {
    underWay++;
    try {
      const response = await ask(() => post(path, body, signal));
      yield* partsOf(response, where, signal);
    } finally {
      underWay--;
      if (underWay === 0) idle?.();
    }
  }

  return {
    id,
    contextSize: options.contextSize,
    // What it can't do, it says itself, in OpenAI's words.
    can: { chat: true, completions: true, embeddings: true, logprobs: true, tools: true, jsonSchema: true },
    fingerprint: `fp_${createHash('sha256').update(`${url} ${model}`).digest('hex').slice(0, 12)}`,
    chat: (wish, signal) => answer('/chat/completions', chatBody(model, wish, options.maxTokensName), signal),
    complete: (wish, signal) => answer('/completions', textBody(model, wish), signal),
    async embed(inputs, signal) {
      const body = { model, input: inputs, encoding_format: 'float' };
      const response = await ask(() => post('/embeddings', body, signal));
      return readVectors(await readAll(response), inputs.length, where);
    },
    isReady: () => clock() >= downUntil,
    async close() {
      if (underWay > 0)
        await new Promise<void>((resolve) => {
          idle = resolve;
        });
      post.close();
    },
  };
}

async function* partsOf(
  response: IncomingMessage,
  where: string,
  signal: AbortSignal,
): AsyncGenerator<AnswerPart> {
  let finish: Finish | null = null;
  let usage: Usage | null = null;
  let pieces = 0;
  let isWhole = false;
  try {
    for await (const text of textsOf(response)) {
      if (text === '[DONE]') break;
      const chunk = parse(text, where);
      if (chunk.error !== undefined && chunk.error !== null) throw brokeWithin(where, chunk.error);
      const read = readChunk(chunk);
      for (const part of read.parts) {
        pieces++;
        yield part;
      }
      finish = read.finish ?? finish;
      usage = read.usage ?? usage;
    }
    isWhole = true;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof FactoryError) throw error;
    throw noAnswer(where, `broke off in the middle: ${(error as Error).message}`, 502, error);
  } finally {
    // The rest after the last event is read so that the connection can be used again.
    if (isWhole) response.resume();
    else response.destroy();
  }
  if (finish === null) throw noAnswer(where, 'ended its answer without saying why', 502);
  // Servers that count nothing send about one piece per token.
  const counted = usage ?? { promptTokens: 0, cachedTokens: 0, completionTokens: pieces, reasoningTokens: 0 };
  yield { kind: 'end', finish, usage: counted, queuedMs: null };
}

function textsOf(response: IncomingMessage): AsyncIterable<string> {
  // Leaving the loop must not end the connection.
  if (response.headers['content-type']?.includes('text/event-stream'))
    return eventTexts(response.iterator({ destroyOnReturn: false }));
  return wholeText(response);
}

async function* wholeText(response: IncomingMessage): AsyncGenerator<string> {
  yield await readAll(response);
}

function parse(text: string, where: string): WireChunk {
  try {
    const value = JSON.parse(text) as WireChunk | null;
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // Said below.
  }
  throw noAnswer(where, `sent what is no JSON object: ${text.slice(0, 80)}`, 502);
}

function readVectors(
  text: string,
  count: number,
  where: string,
): { vectors: Float32Array[]; promptTokens: number } {
  const value = parse(text, where) as {
    data?: { index?: number; embedding?: unknown }[];
    usage?: { prompt_tokens?: number };
  };
  const vectors: (Float32Array | undefined)[] = new Array(count).fill(undefined);
  for (const [place, { index, embedding }] of (value.data ?? []).entries()) {
    if (Array.isArray(embedding) && embedding.every((one) => typeof one === 'number'))
      vectors[index ?? place] = Float32Array.from(embedding as number[]);
  }
  if (vectors.length !== count || vectors.includes(undefined))
    throw noAnswer(where, `was asked for ${count} embeddings and sent others`, 502);
  return { vectors: vectors as Float32Array[], promptTokens: value.usage?.prompt_tokens ?? 0 };
}
