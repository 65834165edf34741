// What the server does besides answering: limits, disconnects, shutdown, swaps, health, metrics, logs, traces, pages of other sites.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text as readAll } from 'node:stream/consumers';
import { afterEach, expect, test } from 'vitest';
import { inferenceTaker } from '../../packages/factory/src/http/inference-taker.ts';
import { openTracing } from '../../packages/factory/src/http/tracing.ts';
import type { InferenceEntry } from '../../packages/factory/src/records/inference.ts';
import type { AnswerPart, ServedModel } from '../../packages/factory/src/records/served-model.ts';
import { type Gateway, type GatewayWish, openGateway, openSmallModel } from './gateway.ts';
import type { SmallServer } from './small-server.ts';

const open: { gateway: Gateway; upstream: SmallServer }[] = [];
afterEach(async () => {
  for (const { gateway, upstream } of open.splice(0)) {
    await gateway.server.stop();
    await gateway.models.close();
    await upstream.close();
  }
});

async function start(wish: GatewayWish = {}) {
  const { model, upstream } = await openSmallModel();
  const gateway = await openGateway([model], wish);
  open.push({ gateway, upstream });
  return { gateway, upstream, url: gateway.url };
}

const JSON_TYPE = { 'content-type': 'application/json' };

function ask(url: string, text: string, more: object = {}, init: RequestInit = {}): Promise<Response> {
  return fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ model: 'small', messages: [{ role: 'user', content: text }], ...more }),
    ...init,
    headers: { ...JSON_TYPE, ...init.headers },
  });
}

async function answerOf(response: Promise<Response>) {
  const got = await response;
  const body = (await got.json()) as {
    error?: { code: string; type: string };
    choices?: { message: { content: string } }[];
  };
  return {
    status: got.status,
    headers: got.headers,
    code: body.error?.code,
    text: body.choices?.[0].message.content,
  };
}

const soon = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test('a full queue says 429 with Retry-After, and a place that becomes free is used', async () => {
  const { url } = await start({ settings: { maxConcurrent: 1, maxQueue: 1 } });
  const first = answerOf(ask(url, '!slow=40 a b c'));
  await soon(30);
  const second = answerOf(ask(url, 'second'));
  await soon(10);
  const third = await answerOf(ask(url, 'third'));
  expect(third).toMatchObject({ status: 429, code: 'rate_limit_exceeded' });
  expect(Number(third.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  expect((await first).text).toBe('!slow=40 a b c');
  expect((await second).text).toBe('second');
});

test('an answer that takes too long ends with 504, in a stream with an event', async () => {
  const { url, upstream } = await start({ settings: { requestTimeoutMs: 120 } });
  expect(await answerOf(ask(url, '!slow=50 a b c d e f'))).toMatchObject({
    status: 504,
    code: 'request_timeout',
  });
  const stream = await (await ask(url, '!slow=50 a b c d e f', { stream: true })).text();
  expect(stream).toContain('"code":"request_timeout"');
  expect(stream).not.toContain('[DONE]');
  await expect.poll(() => upstream.left()).toBe(2);
});

test('a client that goes away ends its generation, streamed or not', async () => {
  const { gateway, url, upstream } = await start();
  for (const stream of [true, false]) {
    const controller = new AbortController();
    const response = ask(url, '!slow=20 a b c d e f g h i j', { stream }, { signal: controller.signal });
    response.catch(() => undefined);
    await soon(80);
    controller.abort();
  }
  await expect.poll(() => upstream.left()).toBe(2);
  await expect.poll(() => gateway.lines.length).toBe(2);
  expect(gateway.lines.map(({ status, error_code }) => [status, error_code])).toEqual([
    [499, 'client_gone'],
    [499, 'client_gone'],
  ]);
});

test('a client that goes away while it waits leaves the queue', async () => {
  const { gateway, url, upstream } = await start({ settings: { maxConcurrent: 1 } });
  const first = answerOf(ask(url, '!slow=40 a b c'));
  await soon(30);
  const controller = new AbortController();
  ask(url, 'gone', {}, { signal: controller.signal }).catch(() => undefined);
  await soon(20);
  controller.abort();
  expect((await first).status).toBe(200);
  await expect.poll(() => gateway.lines.length).toBe(2);
  expect(upstream.asked.length).toBe(1);
});

test('a client that reads slowly holds the model back', async () => {
  const pulled = { parts: 0, closed: false };
  const endless: ServedModel = {
    id: 'endless',
    contextSize: null,
    can: {
      chat: true,
      completions: true,
      embeddings: false,
      logprobs: false,
      tools: false,
      jsonSchema: false,
    },
    fingerprint: 'fp_endless',
    async *chat(): AsyncGenerator<AnswerPart> {
      try {
        for (;;) {
          pulled.parts++;
          yield { kind: 'text', text: 'x'.repeat(10_000), logprobs: [] };
        }
      } finally {
        pulled.closed = true;
      }
    },
    complete: () => endless.chat(null as never, null as never),
    embed: async () => ({ vectors: [], promptTokens: 0 }),
    isReady: () => true,
    close: async () => {},
  };
  const { gateway, url } = await start();
  void gateway.models.put('endless', endless);
  const controller = new AbortController();
  const response = await ask(url, 'go', { model: 'endless', stream: true }, { signal: controller.signal });
  const reader = response.body!.getReader();
  await reader.read();
  await expect
    .poll(async () => {
      const before = pulled.parts;
      await soon(60);
      return pulled.parts - before;
    })
    .toBe(0);
  controller.abort();
  await expect.poll(() => pulled.closed).toBe(true);
  // What a model cannot do is refused before it is asked.
  const tools = [{ type: 'function', function: { name: 'f' } }];
  expect(await answerOf(ask(url, 'x', { model: 'endless', tools }))).toMatchObject({
    status: 400,
    code: 'unsupported_parameter',
  });
});

test('a shutdown finishes streams, refuses new requests, and ends what takes too long', async () => {
  const { gateway, url } = await start({ settings: { shutdownMs: 600 } });
  const short = await ask(url, '!slow=30 a b c d', { stream: true });
  const long = await ask(url, `!slow=100 ${'word '.repeat(40)}`, { stream: true });
  const stopped = gateway.server.stop();
  const late = await answerOf(ask(url, 'late')).catch(() => ({ status: 503, code: 'stopping' }));
  expect(late).toMatchObject({ status: 503, code: 'stopping' });
  expect(await short.text()).toContain('[DONE]');
  expect(await long.text()).toContain('"code":"stopping"');
  await stopped;
  await expect(fetch(`${url}/healthz`)).rejects.toThrow();
});

test('a model that is swapped or taken out finishes what it began', async () => {
  const { gateway, url, upstream } = await start();
  const next = await openSmallModel();
  const old = answerOf(ask(url, '!slow=30 a b c'));
  await soon(40);
  let isClosed = false;
  const closed = gateway.models.put('small', next.model).then(() => {
    isClosed = true;
  });
  expect((await answerOf(ask(url, 'new'))).text).toBe('new');
  expect([upstream.asked.length, next.upstream.asked.length, isClosed]).toEqual([1, 1, false]);
  expect((await old).text).toBe('!slow=30 a b c');
  await closed;
  void gateway.models.remove('small');
  expect(await answerOf(ask(url, 'x'))).toMatchObject({ status: 404, code: 'model_not_found' });
  await next.upstream.close();
});

test('administration loads, swaps and unloads, one at a time', async () => {
  const more = await openSmallModel('more');
  const entries: unknown[] = [];
  const { url } = await start({
    keys: [{ id: 'boss', key: 'admin-key-of-the-test', scopes: ['admin', 'infer'] }],
    admin: {
      open: async (entry) => {
        entries.push(entry);
        return [{ id: 'more', model: more.model }];
      },
    },
  });
  const authorization = 'Bearer admin-key-of-the-test';
  const call = async (method: string, path: string, body?: object) => {
    const headers = { authorization, ...(body ? JSON_TYPE : {}) };
    const response = await fetch(`${url}${path}`, { method, headers, body: body && JSON.stringify(body) });
    return [response.status, await response.json()] as [
      number,
      { models: { id: string }[]; error: { code: string } },
    ];
  };
  const entry = { id: 'more', upstream: more.upstream.url, model: 'small-1' };
  const [status, loaded] = await call('POST', '/admin/models', entry);
  expect([status, loaded.models.map(({ id }) => id)]).toEqual([201, ['small', 'more']]);
  expect(entries).toEqual([entry]);
  expect((await call('POST', '/admin/models', entry))[1].error.code).toBe('model_exists');
  expect((await call('POST', '/admin/models', { ...entry, replace: true }))[0]).toBe(201);
  expect((await call('DELETE', '/admin/models/more'))[1].models.length).toBe(1);
  expect((await call('DELETE', '/admin/models/more'))[0]).toBe(404);
  await more.upstream.close();
});

test('health, readiness and metrics', async () => {
  const { gateway, url } = await start();
  await ask(url, 'three small words').then((one) => one.text());
  await ask(url, 'three small words', { stream: true }).then((one) => one.text());
  await ask(url, 'x', { model: 'no such model' }).then((one) => one.text());
  await expect.poll(() => gateway.lines.length).toBe(3);
  expect(await (await fetch(`${url}/healthz`)).json()).toEqual({ status: 'ok' });
  expect(await (await fetch(`${url}/readyz`)).json()).toEqual({ status: 'ready', models: { small: true } });
  const text = await (await fetch(`${url}/metrics`)).text();
  const labels = 'model="small",route="/v1/chat/completions"';
  expect(text).toContain(`tunesmith_requests_total{${labels},code="200"} 2`);
  // Names that clients make up are no labels.
  expect(text).toContain('tunesmith_requests_total{model="none",route="/v1/chat/completions",code="404"} 1');
  expect(text).toContain('tunesmith_tokens_total{model="small",type="completion"} 6');
  for (const name of ['time_to_first_token', 'inter_token_latency', 'queue_wait', 'gateway_overhead'])
    expect(text).toContain(`tunesmith_${name}_seconds_count{${labels}} 2`);
  expect(text).toMatch(/tunesmith_requests_in_flight 0\n/);
  for (const id of ['small']) await gateway.models.remove(id);
  expect((await fetch(`${url}/readyz`)).status).toBe(503);
});

test('a log line tells all but the words', async () => {
  const { gateway, url } = await start();
  await ask(url, 'secret words', {}, { headers: { 'x-request-id': 'mine-1' } }).then((one) => one.text());
  await expect.poll(() => gateway.lines.length).toBe(1);
  expect(gateway.lines[0]).toMatchObject({
    level: 'info',
    msg: 'request',
    request_id: 'mine-1',
    method: 'POST',
    route: '/v1/chat/completions',
    status: 200,
    model: 'small',
    key_id: null,
    stream: false,
    prompt_tokens: 2,
    completion_tokens: 2,
    finish_reason: 'stop',
    error_code: null,
  });
  expect(JSON.stringify(gateway.lines)).not.toContain('secret');
});

test('a record of an inference has the texts only where they are kept', async () => {
  const entries: InferenceEntry[] = [];
  const sink = {
    level: 'full' as const,
    record: (entry: InferenceEntry) => entries.push(entry),
    dropped: () => 0,
    flush: async () => {},
    close: async () => {},
  };
  for (const keepAnswers of [true, false]) {
    const { url } = await start({ takers: [inferenceTaker(sink)], keepAnswers });
    const more = { stream: keepAnswers, n: 2, user: 'u7' };
    await ask(url, 'a b', more, { headers: { 'x-session-id': 's1' } }).then((one) => one.text());
  }
  await expect.poll(() => entries.length).toBe(2);
  expect(entries[0]).toMatchObject({
    kind: 'chat',
    model: 'small',
    choices: 2,
    status: 200,
    finish: 'stop',
    session: 's1',
    user: 'u7',
    promptTokens: 2,
    completionTokens: 4,
    texts: {
      messages: [{ role: 'user', content: 'a b' }],
      tools: [],
      answers: [
        { role: 'assistant', content: 'a b' },
        { role: 'assistant', content: 'a b' },
      ],
    },
  });
  expect(entries[1].texts).toBeNull();
});

test('a span goes to the collector under the trace of the caller', async () => {
  const bodies: string[] = [];
  const collector = createServer(async (request, response) => {
    bodies.push(`${request.url} ${await readAll(request)}`);
    response.writeHead(200, JSON_TYPE).end('{}');
  });
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
  const tracing = await openTracing(
    `http://127.0.0.1:${(collector.address() as AddressInfo).port}`,
    'x-team=a%20b',
    '0.0.0',
  );
  const { gateway, url } = await start({ takers: [tracing.take] });
  const traceId = '0af7651916cd43dd8448eb211c80319c';
  const traceparent = `00-${traceId}-b7ad6b7169203331-01`;
  await ask(url, 'secret words', { seed: 3 }, { headers: { traceparent } }).then((one) => one.text());
  await expect.poll(() => gateway.lines.length).toBe(1);
  await tracing.close();
  await new Promise((resolve) => collector.close(resolve));
  expect(bodies.length).toBe(1);
  const [path, json] = bodies[0].split(/ (.*)/s);
  expect(path).toBe('/v1/traces');
  const [span] = JSON.parse(json).resourceSpans[0].scopeSpans[0].spans;
  expect(span).toMatchObject({ name: 'chat small', traceId, parentSpanId: 'b7ad6b7169203331', kind: 3 });
  const attributes = Object.fromEntries(
    span.attributes.map(({ key, value }: { key: string; value: object }) => [key, Object.values(value)[0]]),
  );
  expect(attributes).toMatchObject({
    'gen_ai.operation.name': 'chat',
    'gen_ai.request.model': 'small',
    'gen_ai.request.seed': 3,
    'gen_ai.usage.input_tokens': 2,
    'gen_ai.usage.output_tokens': 3,
  });
  expect(json).not.toContain('secret');
});

test('pages of other sites are kept out, but for those that are named', async () => {
  const { url } = await start({ settings: { corsOrigins: ['https://shop.example'] } });
  const preflight = (origin: string) =>
    fetch(`${url}/v1/chat/completions`, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST' },
    });
  const allowed = await preflight('https://shop.example');
  expect([allowed.status, allowed.headers.get('access-control-allow-origin')]).toEqual([
    204,
    'https://shop.example',
  ]);
  const other = await preflight('https://evil.example');
  expect([other.status, other.headers.get('access-control-allow-origin')]).toEqual([405, null]);
  // A name that a page has made to mean this machine.
  const { request } = await import('node:http');
  const status = await new Promise<number | undefined>((resolve, reject) => {
    request(`${url}/v1/models`, { headers: { host: 'evil.example' } }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on('error', reject)
      .end();
  });
  expect(status).toBe(403);
});
