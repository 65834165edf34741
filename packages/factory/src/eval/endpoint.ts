// In: a conversation or text, and an OpenAI-compatible endpoint. Out: the answer with its times and tokens. It streams, so
// that the first token can be timed, and tries again where an error may pass. Nothing of the key is ever in a message.
import { FactoryError } from '#factory/errors.ts';
import type { EndpointArgs } from '#factory/records/eval-args.ts';

export interface EndpointRequest {
  messages: { role: string; content: string }[];
  /** Plain text to be continued by `/completions`; null asks `/chat/completions`. */
  text: string | null;
  maxTokens: number;
  temperature: number;
  topP: number;
  stop: readonly string[];
  seed: number;
}

export interface EndpointAnswer {
  text: string;
  firstTokenMs: number;
  lastTokenMs: number;
  promptTokens: number;
  newTokens: number;
}

export interface EndpointDeps {
  args: EndpointArgs;
  key: string | undefined;
  /** Milliseconds, monotonic. */
  clock(): number;
  signal: AbortSignal;
  fetch: typeof globalThis.fetch;
  /** Waits; rejects on abort. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** Errors of the connection, of too many requests, and of the server may pass. */
const MAY_PASS = new Set([408, 409, 425, 429, 500, 502, 503, 504, 529]);
const LONGEST_WAIT_MS = 30_000;

/** Throws EVAL_ENDPOINT when all tries have failed, with the last reason. */
export async function askEndpoint(request: EndpointRequest, deps: EndpointDeps): Promise<EndpointAnswer> {
  for (let attempt = 0; ; attempt++) {
    deps.signal.throwIfAborted();
    const result = await tryOnce(request, deps);
    if ('answer' in result) return result.answer;
    deps.signal.throwIfAborted();
    if (!result.mayPass || attempt >= deps.args.retries) throw failed(deps.args, result.problem, attempt + 1);
    // Doubling waits, or what the server asks for.
    const wait = Math.min(LONGEST_WAIT_MS, Math.max(result.waitMs ?? 0, 500 * 2 ** attempt));
    await deps.sleep(wait, deps.signal);
  }
}

type Tried = { answer: EndpointAnswer } | { problem: string; mayPass: boolean; waitMs?: number };

async function tryOnce(request: EndpointRequest, deps: EndpointDeps): Promise<Tried> {
  const { endpoint, model, timeout } = deps.args;
  const url = `${(endpoint as string).replace(/\/+$/, '')}/${request.text === null ? 'chat/completions' : 'completions'}`;
  const limit = AbortSignal.timeout(1000 * timeout);
  const begun = deps.clock();
  try {
    const response = await deps.fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(deps.key ? { authorization: `Bearer ${deps.key}` } : {}),
      },
      body: JSON.stringify(bodyOf(request, model as string)),
      signal: AbortSignal.any([deps.signal, limit]),
    });
    if (!response.ok) {
      const after = Number(response.headers.get('retry-after'));
      return {
        problem: `HTTP ${response.status}: ${(await response.text()).replace(/\s+/g, ' ').slice(0, 200)}`,
        mayPass: MAY_PASS.has(response.status),
        ...(after > 0 ? { waitMs: 1000 * after } : {}),
      };
    }
    return await readAnswer(response, deps, begun);
  } catch (error) {
    deps.signal.throwIfAborted();
    if (limit.aborted) return { problem: `no whole answer within ${timeout} s`, mayPass: true };
    const cause = (error as { cause?: { code?: string; message?: string } }).cause;
    const message = cause?.code ?? cause?.message ?? (error as Error).message;
    return { problem: `the connection failed: ${message}`, mayPass: true };
  }
}

function bodyOf(request: EndpointRequest, model: string): Record<string, unknown> {
  const { messages, text, maxTokens, temperature, topP, stop, seed } = request;
  return {
    model,
    ...(text === null ? { messages } : { prompt: text }),
    max_tokens: maxTokens,
    temperature,
    top_p: topP,
    seed,
    ...(stop.length > 0 ? { stop: stop.slice(0, 4) } : {}),
    stream: true,
    stream_options: { include_usage: true },
  };
}

/** Server-sent events, or one JSON object from servers that do not stream. */
async function readAnswer(response: Response, deps: EndpointDeps, begun: number): Promise<Tried> {
  const state = { text: '', first: Number.NaN, pieces: 0, promptTokens: 0, newTokens: 0, problem: '' };
  const take = (json: string): void => {
    const value = parse(json) as ChatChunk | undefined;
    if (value === undefined) {
      state.problem ||= `an event is no JSON: ${json.slice(0, 80)}`;
      return;
    }
    if (value.error) state.problem ||= `the server says: ${JSON.stringify(value.error).slice(0, 200)}`;
    const choice = value.choices?.[0];
    const delta = choice?.delta?.content ?? choice?.message?.content ?? choice?.text ?? '';
    if (delta !== '') {
      if (Number.isNaN(state.first)) state.first = deps.clock() - begun;
      state.text += delta;
      state.pieces++;
    }
    state.promptTokens = value.usage?.prompt_tokens ?? state.promptTokens;
    state.newTokens = value.usage?.completion_tokens ?? state.newTokens;
  };
  if (response.headers.get('content-type')?.includes('text/event-stream')) {
    let rest = '';
    const decoder = new TextDecoder();
    for await (const bytes of response.body ?? []) {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split(/\r?\n/);
      rest = lines.pop() as string;
      for (const line of lines) {
        const data = /^data:\s?(.*)$/.exec(line)?.[1];
        if (data !== undefined && data !== '[DONE]') take(data);
      }
    }
  } else take(await response.text());
  if (state.problem) return { problem: state.problem, mayPass: false };
  const last = deps.clock() - begun;
  return {
    answer: {
      text: state.text,
      // An empty answer comes when it ends.
      firstTokenMs: Number.isNaN(state.first) ? last : state.first,
      lastTokenMs: last,
      promptTokens: state.promptTokens,
      newTokens: state.newTokens || state.pieces,
    },
  };
}

interface ChatChunk {
  choices?: { delta?: { content?: string | null }; message?: { content?: string | null }; text?: string }[];
  usage?: { prompt_tokens?: number; completion_tokens?: number } | null;
  error?: unknown;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function failed({ endpoint, model }: EndpointArgs, problem: string, tries: number): FactoryError {
  return new FactoryError({
    code: 'EVAL_ENDPOINT',
    message: `${model} at ${endpoint}: ${problem} (after ${tries} ${tries === 1 ? 'try' : 'tries'})`,
    remedy:
      'Check endpoint, model and the key in the variable that api_key_env names, and that the server is up.',
  });
}
