import { afterAll, beforeAll, expect, test } from 'vitest';
import { FactoryError } from '#factory/errors.ts';
import {
  type AnswerPart,
  type ChatAsk,
  GREEDY,
  type SamplingAsk,
  type ServedModel,
} from '#factory/records/served-model.ts';
import { openSmallServer, type SmallServer } from '../../../../test/serve/small-server.ts';
import { openUpstreamModel, type UpstreamOptions } from './upstream-model.ts';

let server: SmallServer;
let model: ServedModel;
beforeAll(async () => {
  server = await openSmallServer();
  model = open({});
});
afterAll(async () => {
  await model.close();
  await server.close();
});

function open(change: Partial<UpstreamOptions>): ServedModel {
  const options: UpstreamOptions = {
    id: 'small',
    url: server.url,
    model: 'small-1',
    key: 'sk-upstream-secret',
    contextSize: null,
    timeoutMs: 2000,
    retries: 1,
    maxTokensName: 'max_tokens',
  };
  return openUpstreamModel({ ...options, ...change }, () => performance.now());
}

const SAMPLING: SamplingAsk = { ...GREEDY, temperature: 0.5, stop: [] };

function chat(text: string, change: Partial<ChatAsk> = {}): ChatAsk {
  return {
    messages: [{ role: 'user', content: text, toolCalls: [], toolCallId: null }],
    tools: [],
    toolChoice: 'auto',
    parallelToolCalls: true,
    format: { kind: 'text' },
    sampling: SAMPLING,
    ...change,
  };
}

const never = () => new AbortController().signal;

async function collect(parts: AsyncIterable<AnswerPart>): Promise<AnswerPart[]> {
  const all: AnswerPart[] = [];
  for await (const part of parts) all.push(part);
  return all;
}

const textOf = (parts: AnswerPart[]) => parts.map((one) => (one.kind === 'text' ? one.text : '')).join('');

async function failure(work: Promise<unknown>): Promise<FactoryError> {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(FactoryError);
  return error as FactoryError;
}

test('an answer comes in parts, with its tokens counted by the server', async () => {
  const parts = await collect(model.chat(chat('three small words'), never()));
  expect(textOf(parts)).toBe('three small words');
  expect(parts.at(-1)).toEqual({
    kind: 'end',
    finish: 'stop',
    usage: { promptTokens: 3, cachedTokens: 1, completionTokens: 3, reasoningTokens: 0 },
    queuedMs: null,
  });
  expect(server.asked.at(-1)!.authorization).toBe('Bearer sk-upstream-secret');
});

test('everything that is asked is said in OpenAI words, and only what counts', async () => {
  await collect(model.chat(chat('hi'), never()));
  expect(server.asked.at(-1)!.body).toEqual({
    model: 'small-1',
    messages: [{ role: 'user', content: 'hi' }],
    temperature: 0.5,
    top_p: 1,
    stream: true,
    stream_options: { include_usage: true },
  });
  const sampling = {
    ...SAMPLING,
    maxTokens: 9,
    topK: 4,
    minP: 0.1,
    repetitionPenalty: 1.1,
    presencePenalty: 0.2,
    frequencyPenalty: -0.3,
    logitBias: { 7: -100 },
    seed: 3,
    stop: ['§'],
    logprobs: 2,
  };
  const call = { id: 'call_9', name: 'find', arguments: '{"a":1}' };
  await collect(
    open({ maxTokensName: 'max_completion_tokens' }).chat(
      chat('', {
        sampling,
        messages: [
          { role: 'system', content: 's', toolCalls: [], toolCallId: null },
          { role: 'assistant', content: '', toolCalls: [call], toolCallId: null },
          { role: 'tool', content: 'found', toolCalls: [], toolCallId: 'call_9' },
        ],
        tools: [{ name: 'find', description: 'finds', parameters: { type: 'object' } }],
        toolChoice: 'none',
        parallelToolCalls: false,
        format: { kind: 'json_schema', name: 'n', schema: { type: 'object' }, strict: true },
      }),
      never(),
    ),
  );
  expect(server.asked.at(-1)!.body).toMatchObject({
    messages: [
      { role: 'system', content: 's' },
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id: 'call_9', type: 'function', function: { name: 'find', arguments: '{"a":1}' } }],
      },
      { role: 'tool', content: 'found', tool_call_id: 'call_9' },
    ],
    tools: [
      { type: 'function', function: { name: 'find', description: 'finds', parameters: { type: 'object' } } },
    ],
    tool_choice: 'none',
    parallel_tool_calls: false,
    max_completion_tokens: 9,
    top_k: 4,
    min_p: 0.1,
    repetition_penalty: 1.1,
    presence_penalty: 0.2,
    frequency_penalty: -0.3,
    logit_bias: { '7': -100 },
    seed: 3,
    stop: ['§'],
    logprobs: true,
    top_logprobs: 2,
    response_format: { type: 'json_schema', json_schema: { name: 'n', strict: true } },
  });
});

test('calls of tools come in pieces', async () => {
  const tools = [{ name: 'find', description: '', parameters: {} }];
  const parts = await collect(model.chat(chat('!call=find:{"q":1}|find:{"q":22}', { tools }), never()));
  const calls = parts.filter((one) => one.kind === 'tool_call');
  expect(calls.filter(({ id }) => id !== null).map(({ index, id, name }) => [index, id, name])).toEqual([
    [0, 'call_0', 'find'],
    [1, 'call_1', 'find'],
  ]);
  const joined = [0, 1].map((index) =>
    calls.map((one) => (one.index === index ? one.arguments : '')).join(''),
  );
  expect(joined).toEqual(['{"q":1}', '{"q":22}']);
  expect(parts.at(-1)).toMatchObject({ finish: 'tool_calls' });
});

test('log-probabilities of chat and of text come as one kind', async () => {
  const sampling = { ...SAMPLING, logprobs: 2 };
  const ofChat = await collect(model.chat(chat('one two', { sampling }), never()));
  const ofText = await collect(
    model.complete({ prompt: 'one two', format: { kind: 'text' }, sampling }, never()),
  );
  for (const parts of [ofChat, ofText]) {
    const tokens = parts.flatMap((one) => (one.kind === 'text' ? one.logprobs : []));
    expect(tokens.map(({ token, logprob }) => [token, logprob])).toEqual([
      ['one', -1 / 8],
      [' two', -2 / 8],
    ]);
    expect(tokens[1].bytes).toEqual([...Buffer.from(' two')]);
    expect(tokens[0].top.map(({ token }) => token)).toEqual(['one', 'one1']);
  }
});

test('vectors come in the order of the inputs', async () => {
  const { vectors, promptTokens } = await model.embed(['a', 'abcd'], never());
  expect(vectors.map((one) => [...one])).toEqual([
    [1, 0.5, -0.25],
    [4, 0.5, -0.25],
  ]);
  expect(promptTokens).toBe(2);
});

test('errors keep their status and fields, but not those about our own key', async () => {
  const bad = await failure(collect(model.chat(chat('!status=422'), never())));
  expect(bad.message).toBe('refused with 422');
  expect(bad.details).toMatchObject({
    status: 422,
    type: 'test_error',
    param: 'messages',
    code: 'code_422',
  });
  const limited = await failure(collect(model.chat(chat('!status=429'), never())));
  expect(limited.details).toMatchObject({ status: 429, retryAfter: 21 });
  const denied = await failure(collect(model.chat(chat('!status=401'), never())));
  expect(denied.details).toMatchObject({ status: 502, code: 'upstream_key' });
  expect(JSON.stringify([denied.message, denied.details])).not.toContain('secret');
});

test('an overloaded server is asked again before the first byte, and never after it', async () => {
  const parts = await collect(model.chat(chat('!once=503 again'), never()));
  expect(textOf(parts)).toBe('!once=503 again');
  const before = server.asked.length;
  const broken = await failure(collect(model.chat(chat('!die=2 a b c d'), never())));
  expect(broken.code).toBe('SERVE_UPSTREAM');
  expect(server.asked.length).toBe(before + 1);
});

test('an error inside the stream is an error here', async () => {
  const error = await failure(collect(model.chat(chat('!event a b'), never())));
  expect(error.message).toBe('out of luck');
  expect(error.details).toMatchObject({ type: 'server_error', code: 'luck' });
});

test('a silent server and an absent one are told apart', async () => {
  const silent = await failure(collect(open({ timeoutMs: 100, retries: 0 }).chat(chat('!silent'), never())));
  expect(silent.details).toMatchObject({ status: 504, code: 'upstream_timeout' });
  const absent = open({ url: 'http://127.0.0.1:9/v1', retries: 0 });
  expect(absent.isReady()).toBe(true);
  const error = await failure(collect(absent.chat(chat('hi'), never())));
  expect(error.details).toMatchObject({ status: 502, code: 'upstream_unreachable' });
  expect(absent.isReady()).toBe(false);
});

test('leaving an answer, or aborting it, ends it there too', async () => {
  const before = server.left();
  for await (const part of model.chat(chat('!slow=10 a b c d e f g h'), never())) {
    if (part.kind === 'text') break;
  }
  const controller = new AbortController();
  const asked = collect(model.chat(chat('!slow=10 a b c d e f g h'), controller.signal));
  setTimeout(() => controller.abort(), 40);
  await expect(asked).rejects.toMatchObject({ name: 'AbortError' });
  await expect.poll(() => server.left()).toBe(before + 2);
});

test('closing waits for answers under way', async () => {
  const own = open({});
  const answer = collect(own.chat(chat('!slow=10 a b c'), never()));
  await new Promise((resolve) => setTimeout(resolve, 15));
  await own.close();
  expect(textOf(await answer)).toBe('!slow=10 a b c');
});
