// The stock client of OpenAI, unmodified, against the HTTP API: every kind of request, streams, tools, formats, and errors as
// its own classes. The model behind is a small server's, asked as any upstream is.
import OpenAI, {
  APIConnectionError,
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
} from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Gateway, openGateway, openSmallModel } from './gateway.ts';
import type { SmallServer } from './small-server.ts';

let gateway: Gateway;
let upstream: SmallServer;
let client: OpenAI;
beforeAll(async () => {
  const small = await openSmallModel();
  upstream = small.upstream;
  gateway = await openGateway([small.model]);
  client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none', maxRetries: 0 });
});
afterAll(async () => {
  await gateway.server.stop();
  await gateway.models.close();
  await upstream.close();
});

const user = (content: string) => [{ role: 'user' as const, content }];
const ask = (content: string, more: object = {}) =>
  client.chat.completions.create({ model: 'small', messages: user(content), ...more });

async function failure<T extends Error>(
  work: Promise<unknown>,
  kind: new (...args: never[]) => T,
): Promise<T> {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(kind);
  return error as T;
}

describe('models', () => {
  test('are listed and found by name', async () => {
    const list = await client.models.list();
    expect(list.data).toMatchObject([{ id: 'small', object: 'model', owned_by: 'tunesmith' }]);
    expect(await client.models.retrieve('small')).toMatchObject({ id: 'small' });
    const error = await failure(client.models.retrieve('other'), NotFoundError);
    expect(error).toMatchObject({ code: 'model_not_found', param: 'model', type: 'invalid_request_error' });
  });
});

describe('chat', () => {
  test('an answer has text, reason of its end, usage, version and id of the request', async () => {
    const { data, request_id } = await client.chat.completions
      .create({ model: 'small', messages: user('three small words') })
      .withResponse();
    expect(data).toMatchObject({
      object: 'chat.completion',
      model: 'small',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'three small words', refusal: null },
          finish_reason: 'stop',
          logprobs: null,
        },
      ],
      usage: {
        prompt_tokens: 3,
        completion_tokens: 3,
        total_tokens: 6,
        prompt_tokens_details: { cached_tokens: 1 },
      },
    });
    expect(data.id).toMatch(/^chatcmpl-/);
    expect(data.system_fingerprint).toMatch(/^fp_/);
    expect(request_id).toMatch(/^req_/);
  });

  test('a stream says the same in chunks, and its tokens when asked', async () => {
    const stream = await client.chat.completions.create({
      model: 'small',
      messages: user('three small words'),
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks: OpenAI.ChatCompletionChunk[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    expect(chunks[0].choices[0].delta).toMatchObject({ role: 'assistant', content: '' });
    expect(chunks.map((one) => one.choices[0]?.delta.content ?? '').join('')).toBe('three small words');
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
    expect(chunks.at(-2)!.choices[0].finish_reason).toBe('stop');
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 3, total_tokens: 6 } });
    expect(chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
  });

  test('without include_usage no chunk speaks of usage', async () => {
    const stream = await client.chat.completions.create({
      model: 'small',
      messages: user('a b'),
      stream: true,
    });
    for await (const chunk of stream) {
      expect(chunk.choices.length).toBe(1);
      expect('usage' in chunk).toBe(false);
    }
  });

  test('limits, stop texts and seeds are obeyed', async () => {
    expect((await ask('a b c d', { max_tokens: 2 })).choices[0]).toMatchObject({
      message: { content: 'a b' },
      finish_reason: 'length',
    });
    expect((await ask('a b c d', { max_completion_tokens: 3 })).choices[0].message.content).toBe('a b c');
    expect((await ask('a b c d', { stop: ' c' })).choices[0].message.content).toBe('a b');
    expect((await ask('a b c d', { stop: ['x', ' b'] })).choices[0].message.content).toBe('a');
    expect((await ask('a', { seed: 7 })).choices[0].message.content).toBe('a #7');
  });

  test('several choices have several seeds, and the prompt counts once', async () => {
    const whole = await ask('a b', { n: 3, seed: 5 });
    expect(whole.choices.map(({ index, message }) => [index, message.content])).toEqual([
      [0, 'a b #5'],
      [1, 'a b #6'],
      [2, 'a b #7'],
    ]);
    expect(whole.usage).toMatchObject({ prompt_tokens: 2, completion_tokens: 9 });
    const texts = ['', '', ''];
    const stream = await client.chat.completions.create({
      model: 'small',
      messages: user('a b'),
      n: 3,
      seed: 5,
      stream: true,
    });
    for await (const { choices } of stream)
      for (const { index, delta } of choices) texts[index] += delta.content ?? '';
    expect(texts).toEqual(['a b #5', 'a b #6', 'a b #7']);
  });

  test('log-probabilities come with bytes and alternatives', async () => {
    const { choices } = await ask('one two', { logprobs: true, top_logprobs: 2 });
    expect(choices[0].logprobs!.content).toMatchObject([
      {
        token: 'one',
        logprob: -0.125,
        bytes: [...Buffer.from('one')],
        top_logprobs: [{ token: 'one' }, { token: 'one1' }],
      },
      { token: ' two', logprob: -0.25 },
    ]);
  });

  test('a conversation with system, tools and their answers goes through whole', async () => {
    await client.chat.completions.create({
      model: 'small',
      messages: [
        { role: 'developer', content: 'be short' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'two ' },
            { type: 'text', text: 'parts' },
          ],
          name: 'ada',
        },
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'c1', type: 'function', function: { name: 'find', arguments: '{}' } }],
        },
        { role: 'tool', tool_call_id: 'c1', content: 'found' },
      ],
      user: 'u1',
      metadata: { a: 'b' },
      store: false,
    });
    expect(upstream.asked.at(-1)!.body.messages).toEqual([
      { role: 'system', content: 'be short' },
      { role: 'user', content: 'two parts' },
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id: 'c1', type: 'function', function: { name: 'find', arguments: '{}' } }],
      },
      { role: 'tool', content: 'found', tool_call_id: 'c1' },
    ]);
  });

  const tools = ['find', 'sum'].map((name) => ({
    type: 'function' as const,
    function: { name, parameters: { type: 'object', properties: { q: { type: 'string' } } } },
  }));

  test('calls of tools come whole', async () => {
    const { choices } = await ask('!call=find:{"q":"a"}|sum:{"q":"b"}', { tools });
    expect(choices[0].finish_reason).toBe('tool_calls');
    expect(choices[0].message).toMatchObject({
      content: null,
      tool_calls: [
        { id: 'call_0', type: 'function', function: { name: 'find', arguments: '{"q":"a"}' } },
        { id: 'call_1', type: 'function', function: { name: 'sum', arguments: '{"q":"b"}' } },
      ],
    });
  });

  test('calls of tools are streamed so that the helper of the client puts them together', async () => {
    const runner = client.chat.completions.stream({
      model: 'small',
      messages: user('!call=find:{"q":"a"}|sum:{"q":"b"}'),
      tools,
    });
    const final = await runner.finalChatCompletion();
    expect(final.choices[0].message.tool_calls).toMatchObject([
      { id: 'call_0', function: { name: 'find', arguments: '{"q":"a"}' } },
      { id: 'call_1', function: { name: 'sum', arguments: '{"q":"b"}' } },
    ]);
  });

  test('the choice of a tool is passed on', async () => {
    const named = await ask('hi', { tools, tool_choice: { type: 'function', function: { name: 'sum' } } });
    expect(named.choices[0].message.tool_calls).toMatchObject([{ function: { name: 'sum' } }]);
    expect((await ask('hi', { tools, tool_choice: 'required' })).choices[0].message.tool_calls).toMatchObject(
      [{ function: { name: 'find' } }],
    );
    expect((await ask('!call=find:{}', { tools, tool_choice: 'none' })).choices[0].finish_reason).toBe(
      'stop',
    );
    await ask('hi', { tools, parallel_tool_calls: false });
    expect(upstream.asked.at(-1)!.body).toMatchObject({ parallel_tool_calls: false });
  });

  test('formats are passed on', async () => {
    const schema = { type: 'object', properties: { said: { type: 'string' } } };
    for (const format of [
      { type: 'json_object' },
      { type: 'json_schema', json_schema: { name: 'said', schema, strict: true } },
    ]) {
      const { choices } = await ask('words', { response_format: format });
      expect(JSON.parse(choices[0].message.content!)).toEqual({ said: 'words' });
      expect(upstream.asked.at(-1)!.body.response_format).toEqual(format);
    }
  });
});

describe('completions', () => {
  test('continue a text, several texts and ids', async () => {
    const one = await client.completions.create({ model: 'small', prompt: 'a b c' });
    expect(one).toMatchObject({
      object: 'text_completion',
      choices: [{ index: 0, text: 'a b c', finish_reason: 'stop', logprobs: null }],
      usage: { prompt_tokens: 3, completion_tokens: 3 },
    });
    const two = await client.completions.create({ model: 'small', prompt: ['a', 'b c'], n: 2, best_of: 2 });
    expect(two.choices.map(({ text }) => text)).toEqual(['a', 'a', 'b c', 'b c']);
    expect(two.usage).toMatchObject({ prompt_tokens: 3, completion_tokens: 6 });
    await client.completions.create({ model: 'small', prompt: [[1, 2, 3]] });
    expect(upstream.asked.at(-1)!.body.prompt).toEqual([1, 2, 3]);
  });

  test('stop after 16 tokens by default, echo the prompt, tell log-probabilities', async () => {
    const long = Array.from({ length: 20 }, (_, at) => `w${at}`).join(' ');
    const { choices } = await client.completions.create({ model: 'small', prompt: long });
    expect(choices[0]).toMatchObject({
      finish_reason: 'length',
      text: long.split(' ').slice(0, 16).join(' '),
    });
    const echoed = await client.completions.create({ model: 'small', prompt: 'a b', echo: true });
    expect(echoed.choices[0].text).toBe('a ba b');
    const told = await client.completions.create({ model: 'small', prompt: 'ab cd', logprobs: 2 });
    expect(told.choices[0].logprobs).toEqual({
      tokens: ['ab', ' cd'],
      token_logprobs: [-0.125, -0.25],
      top_logprobs: [
        { ab: -0.125, ab1: -1.125 },
        { ' cd': -0.25, ' cd1': -1.25 },
      ],
      text_offset: [0, 2],
    });
  });

  test('stream', async () => {
    const stream = await client.completions.create({
      model: 'small',
      prompt: ['a b', 'c'],
      echo: true,
      stream: true,
      stream_options: { include_usage: true },
    });
    const texts = ['', ''];
    let tokens = 0;
    for await (const { choices, usage } of stream) {
      for (const { index, text } of choices) texts[index] += text;
      tokens += usage?.total_tokens ?? 0;
    }
    expect(texts).toEqual(['a ba b', 'cc']);
    expect(tokens).toBe(6);
  });
});

test('embeddings come as the client likes them', async () => {
  const both = await Promise.all(
    (['float', 'base64'] as const).map((encoding_format) =>
      client.embeddings.create({ model: 'small', input: ['a', 'abcd'], encoding_format }),
    ),
  );
  expect(both[0].data.map(({ embedding }) => embedding)).toEqual([
    [1, 0.5, -0.25],
    [4, 0.5, -0.25],
  ]);
  // Without a format the client asks for base64 and reads it as float32.
  const plain = await client.embeddings.create({ model: 'small', input: 'abcd' });
  expect([...plain.data[0].embedding]).toEqual([4, 0.5, -0.25]);
  expect(plain.usage).toEqual({ prompt_tokens: 1, total_tokens: 1 });
});

describe('errors are those of OpenAI', () => {
  test.each<[string, object, string | null, string]>([
    ['no model', { model: undefined }, 'model', 'missing_required_parameter'],
    ['no messages', { messages: undefined }, 'messages', 'missing_required_parameter'],
    ['empty messages', { messages: [] }, 'messages', 'empty_array'],
    [
      'a role that is none',
      { messages: [{ role: 'boss', content: 'x' }] },
      'messages[0].role',
      'invalid_value',
    ],
    ['no content', { messages: [{ role: 'user' }] }, 'messages[0].content', 'missing_required_parameter'],
    ['a wrong type', { messages: [{ role: 'user', content: 5 }] }, 'messages[0].content', 'invalid_type'],
    [
      'a picture',
      { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'x' } }] }] },
      'messages[0].content[0].type',
      'invalid_value',
    ],
    [
      'an answer of a tool without a call',
      { messages: [{ role: 'tool', tool_call_id: 'c', content: 'x' }] },
      'messages[0].tool_call_id',
      'invalid_value',
    ],
    [
      'a call without an answer',
      {
        messages: [
          { role: 'assistant', tool_calls: [{ id: 'c', type: 'function', function: { name: 'f' } }] },
          { role: 'user', content: 'x' },
        ],
      },
      'messages[1].role',
      'invalid_value',
    ],
    ['too hot', { temperature: 3 }, 'temperature', 'integer_above_max_value'],
    ['no tokens', { max_tokens: 0 }, 'max_tokens', 'integer_below_min_value'],
    ['a limit as text', { max_tokens: '5' }, 'max_tokens', 'invalid_type'],
    ['too many choices', { n: 17 }, 'n', 'integer_above_max_value'],
    ['alternatives without log-probabilities', { top_logprobs: 2 }, 'top_logprobs', 'invalid_value'],
    [
      'too many alternatives',
      { logprobs: true, top_logprobs: 21 },
      'top_logprobs',
      'integer_above_max_value',
    ],
    ['stream options without a stream', { stream_options: {} }, 'stream_options', 'invalid_value'],
    ['an empty stop text', { stop: ['a', ''] }, 'stop[1]', 'empty_string'],
    ['a choice without tools', { tool_choice: 'required' }, 'tool_choice', 'invalid_value'],
    ['a format that is none', { response_format: { type: 'xml' } }, 'response_format.type', 'invalid_value'],
    [
      'a schema without a name',
      { response_format: { type: 'json_schema', json_schema: { schema: {} } } },
      'response_format.json_schema.name',
      'missing_required_parameter',
    ],
    ['a token id that is none', { logit_bias: { a: 1 } }, 'logit_bias', 'invalid_value'],
    ['what nobody knows', { temprature: 1 }, 'temprature', 'unknown_parameter'],
    ['what is not supported', { functions: [] }, 'functions', 'unsupported_parameter'],
  ])('%s', async (_, change, param, code) => {
    const error = await failure(ask('x', change), BadRequestError);
    expect(error).toMatchObject({ status: 400, param, code, type: 'invalid_request_error' });
    expect(error.requestID).toMatch(/^req_/);
  });

  test.each<[object, string]>([
    [{ suffix: 'x' }, 'suffix'],
    [{ best_of: 2 }, 'best_of'],
    [{ prompt: [] }, 'prompt'],
    [{ prompt: [[-1]] }, 'prompt[0][0]'],
    [{ prompt: [[1]], echo: true }, 'echo'],
    [{ logprobs: 6 }, 'logprobs'],
  ])('completions refuse %j', async (change, param) => {
    const body = { model: 'small', prompt: 'a', ...change } as OpenAI.CompletionCreateParamsNonStreaming;
    expect(await failure(client.completions.create(body), BadRequestError)).toMatchObject({ param });
  });

  test('embeddings refuse what changes vectors', async () => {
    const error = await failure(
      client.embeddings.create({ model: 'small', input: 'a', dimensions: 2 }),
      BadRequestError,
    );
    expect(error.param).toBe('dimensions');
  });

  test('a model that is not served', async () => {
    const error = await failure(ask('x', { model: 'gpt-x' }), NotFoundError);
    expect(error).toMatchObject({ code: 'model_not_found', param: 'model' });
  });

  test('what the model behind refuses keeps its status', async () => {
    const limited = await failure(ask('!status=429'), RateLimitError);
    expect(limited).toMatchObject({ code: 'code_429', type: 'test_error' });
    expect(limited.headers.get('retry-after')).toBe('21');
    const broken = await failure(ask('!status=500'), InternalServerError);
    expect(broken).toMatchObject({ status: 500, code: 'code_500' });
  });

  test('inside a stream, an error is an event that the client raises', async () => {
    const read = async (text: string) => {
      const stream = await client.chat.completions.create({
        model: 'small',
        messages: user(text),
        stream: true,
      });
      for await (const _ of stream);
    };
    await expect(read('!event a b c')).rejects.toMatchObject({
      message: expect.stringContaining('out of luck'),
    });
    await expect(read('!die=2 a b c d')).rejects.toThrow('broke off');
  });

  test('bodies that are too large or no JSON, other methods and paths', async () => {
    const send = async (path: string, init: RequestInit) => {
      const response = await fetch(`${gateway.url}${path}`, init);
      return [response.status, ((await response.json()) as { error: { code: string } }).error.code];
    };
    const json = { 'content-type': 'application/json' };
    const post = (body: string, headers: Record<string, string> = json) =>
      send('/v1/chat/completions', { method: 'POST', body, headers });
    expect(await post(JSON.stringify({ a: 'x'.repeat(300_000) }))).toEqual([413, 'request_too_large']);
    expect(await post('{"model": ')).toEqual([400, 'invalid_json']);
    expect(await post('')).toEqual([400, 'invalid_json']);
    expect(await post('[]')).toEqual([400, 'invalid_type']);
    expect(await post('{"__proto__": {"a": 1}, "model": "small"}')).toEqual([400, 'invalid_json']);
    expect(await post('a=b', { 'content-type': 'text/plain' })).toEqual([415, 'unsupported_media_type']);
    expect(await send('/v1/chat/completions', {})).toEqual([405, 'method_not_allowed']);
    expect(await send('/v1/nothing', { method: 'POST', body: '{}', headers: json })).toEqual([
      404,
      'unknown_url',
    ]);
  });
});

describe('keys', () => {
  let guarded: Gateway;
  const key = (apiKey: string) =>
    new OpenAI({ baseURL: `${guarded.url}/v1`, apiKey, maxRetries: 0 }).chat.completions.create({
      model: 'small',
      messages: user('hi'),
    });
  beforeAll(async () => {
    guarded = await openGateway([(await openSmallModel()).model], {
      keys: [
        { id: 'app', key: 'right', scopes: ['infer'] },
        { id: 'watch', key: 'metrics', scopes: ['metrics'] },
      ],
    });
  });
  afterAll(() => guarded.server.stop());

  test('are asked for, and only their scope is open', async () => {
    expect((await key('right')).choices[0].message.content).toBe('hi');
    expect(await failure(key('wrong'), AuthenticationError)).toMatchObject({ code: 'invalid_api_key' });
    expect(await failure(key('metrics'), PermissionDeniedError)).toMatchObject({ code: 'missing_scope' });
    const status = async (path: string, token: string | null) =>
      (
        await fetch(`${guarded.url}${path}`, {
          headers: token === null ? {} : { authorization: `Bearer ${token}` },
        })
      ).status;
    expect(await status('/v1/models', null)).toBe(401);
    expect(await status('/metrics', 'right')).toBe(403);
    expect(await status('/metrics', 'metrics')).toBe(200);
    expect(await status('/admin/models', 'right')).toBe(403);
    expect([await status('/healthz', null), await status('/readyz', null)]).toEqual([200, 200]);
    expect(guarded.lines.map((line) => line.key_id)).toContain('app');
    expect(JSON.stringify(guarded.lines)).not.toMatch(/right|wrong/);
  });
});

test('a client that is not there gets the connection error of the client', async () => {
  const nobody = new OpenAI({ baseURL: 'http://127.0.0.1:9/v1', apiKey: 'x', maxRetries: 0 });
  await failure(nobody.models.list(), APIConnectionError);
});
