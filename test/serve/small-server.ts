// In: requests in OpenAI's shape. Out: answers of a small server that follows the API and whose "model" is a rule: it says the
// last message again, word by word, or what a command in it asks for. What serving is tested against while no weights are there.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text as readAll } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';

/** What this server reads of a request. */
export interface AskedBody {
  model?: string;
  messages?: { role: string; content: string | null }[];
  prompt?: string | number[];
  input?: unknown;
  stream?: boolean;
  stream_options?: { include_usage?: boolean };
  tools?: { function: { name: string } }[];
  tool_choice?: string | { function: { name: string } };
  response_format?: { type: string };
  stop?: string[];
  seed?: number;
  max_tokens?: number;
  max_completion_tokens?: number;
  logprobs?: boolean | number;
  top_logprobs?: number;
}

export interface SmallServer {
  /** Ends with /v1. */
  url: string;
  /** Bodies that came, newest last, with the header that carried the key. */
  asked: { path: string; authorization: string | undefined; body: AskedBody }[];
  /** Streams that their reader left before the end. */
  left(): number;
  close(): Promise<void>;
}

/** Commands stand anywhere in the last message: `!status=503`, `!die=2`, `!slow=20`, `!event`, `!silent`, `!call=NAME:JSON`. */
export async function openSmallServer(): Promise<SmallServer> {
  const asked: SmallServer['asked'] = [];
  let left = 0;
  const failures = new Map<string, number>();

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '').replace(/^\/v1/, '');
    const body = JSON.parse(await readAll(request)) as AskedBody;
    asked.push({ path, authorization: request.headers.authorization, body });
    if (path === '/embeddings') return sendEmbeddings(body, response);
    const isChat = path === '/chat/completions';
    const prompt: string = String(isChat ? body.messages?.at(-1)?.content : body.prompt);
    const orders = ordersOf(prompt);
    const once = orders.get('once');
    if (once !== undefined) {
      const times = failures.get(prompt) ?? 0;
      failures.set(prompt, times + 1);
      if (times === 0) return refuse(response, Number(once));
    }
    if (orders.has('status')) return refuse(response, Number(orders.get('status')));
    if (orders.has('silent')) return;
    const answer = answerOf(body, prompt, orders, isChat);
    if (body.stream !== true) return sendWhole(answer, body, isChat, response);

    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.on('close', () => {
      if (!response.writableFinished) left++;
    });
    const send = (choice: unknown, more: object = {}) =>
      response.write(
        `data: ${JSON.stringify({ id: 'x', model: body.model, choices: choice === null ? [] : [choice], ...more })}\n\n`,
      );
    for (const [at, piece] of answer.pieces.entries()) {
      if (response.destroyed) return;
      if (orders.has('slow')) await wait(Number(orders.get('slow')));
      if (orders.get('die') === String(at)) {
        // What was written must have left before the connection ends.
        await wait(20);
        return void response.destroy();
      }
      if (orders.has('event') && at === 1) {
        response.write('data: {"error":{"message":"out of luck","type":"server_error","code":"luck"}}\n\n');
        return void response.end();
      }
      send(
        isChat ? { index: 0, delta: piece.delta, logprobs: piece.chatLogprobs } : { index: 0, ...piece.text },
      );
    }
    send({ index: 0, ...(isChat ? { delta: {} } : { text: '' }), finish_reason: answer.finish });
    if (body.stream_options?.include_usage) send(null, { usage: answer.usage });
    response.end('data: [DONE]\n\n');
  }

  const server = createServer((request, response) => {
    handle(request, response).catch((error: Error) => {
      response.writeHead(500).end(JSON.stringify({ error: { message: error.message } }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    asked,
    left: () => left,
    close() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function ordersOf(prompt: string): Map<string, string> {
  return new Map([...prompt.matchAll(/!(\w+)(?:=(\S+))?/g)].map((found) => [found[1], found[2] ?? '']));
}

interface Answer {
  pieces: { delta: object; chatLogprobs?: object; text: object }[];
  finish: string;
  usage: object;
}

function answerOf(body: AskedBody, prompt: string, orders: Map<string, string>, isChat: boolean): Answer {
  const usage = (count: number) => ({
    prompt_tokens: wordsOf(prompt).length,
    completion_tokens: count,
    total_tokens: wordsOf(prompt).length + count,
    prompt_tokens_details: { cached_tokens: 1 },
  });
  const choice = body.tool_choice;
  const forced =
    choice === 'required'
      ? body.tools?.[0].function.name
      : typeof choice === 'object'
        ? choice.function.name
        : undefined;
  const order = orders.get('call') ?? (forced === undefined ? undefined : `${forced}:{}`);
  if (isChat && body.tools !== undefined && choice !== 'none' && order !== undefined) {
    const calls = order.split('|').map((one) => one.split(/:(.*)/s));
    const pieces = calls.flatMap(([name, text], index) => {
      const half = Math.ceil(text.length / 2);
      const piece = (more: object) => ({ delta: { tool_calls: [{ index, ...more }] }, text: {} });
      return [
        piece({ id: `call_${index}`, type: 'function', function: { name, arguments: '' } }),
        piece({ function: { arguments: text.slice(0, half) } }),
        piece({ function: { arguments: text.slice(half) } }),
      ];
    });
    return { pieces, finish: 'tool_calls', usage: usage(pieces.length) };
  }
  const whole =
    body.response_format !== undefined && body.response_format.type !== 'text'
      ? `{"said": ${JSON.stringify(prompt)}}`
      : prompt + (body.seed === undefined ? '' : ` #${body.seed}`);
  const stopAt = (body.stop ?? []).map((one: string) => whole.indexOf(one)).filter((at: number) => at >= 0);
  const words = wordsOf(stopAt.length > 0 ? whole.slice(0, Math.min(...stopAt)) : whole);
  const limit = body.max_tokens ?? body.max_completion_tokens ?? 1000;
  const kept = words.slice(0, limit);
  const top = isChat ? body.top_logprobs : Number(body.logprobs ?? 0);
  const pieces = kept.map((word, at) => {
    const one = { token: word, logprob: -(at + 1) / 8, bytes: [...Buffer.from(word)] };
    const others = Array.from({ length: top ?? 0 }, (_, k) => ({
      token: k === 0 ? word : `${word}${k}`,
      logprob: one.logprob - k,
      bytes: null,
    }));
    return {
      delta: { content: word },
      ...(isChat && body.logprobs === true
        ? { chatLogprobs: { content: [{ ...one, top_logprobs: others }] } }
        : {}),
      text: {
        text: word,
        logprobs:
          body.logprobs === undefined
            ? null
            : {
                tokens: [word],
                token_logprobs: [one.logprob],
                top_logprobs: [Object.fromEntries(others.map(({ token, logprob }) => [token, logprob]))],
              },
      },
    };
  });
  return { pieces, finish: kept.length < words.length ? 'length' : 'stop', usage: usage(kept.length) };
}

const wordsOf = (text: string) => text.match(/\s*\S+\s*$|\s*\S+/g) ?? [];

function sendWhole(answer: Answer, body: AskedBody, isChat: boolean, response: ServerResponse): void {
  const text = answer.pieces.map(({ delta }) => (delta as { content?: string }).content ?? '').join('');
  const choice = isChat ? { message: { role: 'assistant', content: text } } : { text };
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(
    JSON.stringify({
      model: body.model,
      choices: [{ index: 0, ...choice, finish_reason: answer.finish }],
      usage: answer.usage,
    }),
  );
}

function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status, {
    'content-type': 'application/json',
    ...(status === 429 ? { 'retry-after': '21' } : {}),
  });
  const message = `refused with ${status}`;
  response.end(
    JSON.stringify({ error: { message, type: 'test_error', param: 'messages', code: `code_${status}` } }),
  );
}

function sendEmbeddings(body: AskedBody, response: ServerResponse): void {
  const inputs: unknown[] = Array.isArray(body.input) ? body.input : [body.input];
  const data = inputs.map((input, index) => ({
    object: 'embedding',
    index,
    embedding: [String(input).length, 0.5, -0.25],
  }));
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(
    JSON.stringify({ data, usage: { prompt_tokens: inputs.length, total_tokens: inputs.length } }),
  );
}
