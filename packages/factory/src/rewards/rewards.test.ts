// Rewards of files and servers: what they are given, how they fail, and that a failure costs one answer.
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { fileReward } from './file-reward.ts';
import { httpReward } from './http-reward.ts';
import { type RewardRequest, rewardAll } from './reward.ts';

const request = (completion: string): RewardRequest => ({
  input: {
    prompt: 'Say',
    completion,
    row: {
      messages: [{ role: 'user', content: 'Say' }],
      answer: 'yes',
      system: '',
      tools: '',
      source: { dataset: 'd', file: 'f.json', row: 0 },
    },
  },
  text: `Say ${completion}</s>`,
  ids: Int32Array.of(1, 2),
});

const file = (module: unknown, spec = 'reward.ts', timeoutSeconds = 5) =>
  fileReward(spec, { weight: 1, timeoutSeconds, importModule: async () => module });

test('the default export, the only one, or the one that is named', async () => {
  expect((await file({ default: () => 1 }, 'dir/polite.ts')).name).toBe('polite');
  expect((await file({ only: () => 1 })).name).toBe('only');
  expect((await file({ a: () => 1, b: () => 2 }, 'reward.ts:b')).name).toBe('b');
  const bad = { code: 'REWARDS_BAD_FILE' };
  await expect(file({ a: () => 1, b: () => 2 })).rejects.toMatchObject({ ...bad, message: /there are a, b/ });
  await expect(file({ a: 1 })).rejects.toMatchObject({ ...bad, message: /it exports none/ });
  await expect(file({ a: () => 1 }, 'reward.ts:b')).rejects.toMatchObject(bad);
  const lost = fileReward('no.ts', {
    weight: 1,
    timeoutSeconds: 1,
    importModule: () => import('./no.ts' as string),
  });
  await expect(lost).rejects.toMatchObject({ ...bad, message: /cannot be imported/ });
});

test('a function that throws, hangs, changes its row or returns nonsense costs one answer', async () => {
  const source = await file(
    {
      default: ({ completion, row }: { completion: string; row: { answer: string } }) => {
        if (completion === 'throw') throw new RangeError('no');
        if (completion === 'hang') return new Promise(() => {});
        if (completion === 'change') row.answer = 'other';
        if (completion === 'text') return 'good';
        if (completion === 'nan') return Number.NaN;
        return Promise.resolve(row.answer === completion ? 1 : 0);
      },
    },
    'reward.ts',
    0.05,
  );
  const words = ['yes', 'no', 'throw', 'hang', 'change', 'text', 'nan'];
  const rewarded = await rewardAll([{ ...source, weight: 2 }], words.map(request));
  expect(rewarded.map(({ total }) => total)).toEqual([2, 0, null, null, null, null, null]);
  expect(rewarded[0].parts).toEqual({ reward: 1 });
  const why = rewarded.slice(2).map(({ failures }) => failures[0].why);
  for (const [i, text] of [
    /RangeError: no/,
    /no result in 0.05 s/,
    /TypeError/,
    /got "good"/,
    /got null/,
  ].entries())
    expect(why[i]).toMatch(text);
});

async function withServer<T>(listener: RequestListener, use: (address: string) => Promise<T>): Promise<T> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    return await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const ask = (address: string, more: { timeoutSeconds?: number; retries?: number } = {}) =>
  httpReward(address, {
    name: 'http',
    weight: 1,
    timeoutSeconds: 5,
    retries: 0,
    ...more,
  }).score([request('a'), request('b')]);

test('a server gets whole texts and answers with scores', async () => {
  let body = '';
  const scores = await withServer(
    (incoming, reply) => {
      incoming.on('data', (part) => {
        body += part;
      });
      incoming.on('end', () => reply.end('{"scores": [0.5, null]}'));
    },
    (address) => ask(address),
  );
  expect(scores[0]).toBe(0.5);
  expect(scores[1]).toMatchObject({ why: expect.stringMatching(/expected a number, got null/) });
  expect(JSON.parse(body)).toEqual({
    model: 'model',
    messages: ['Say a</s>', 'Say b</s>'],
    prompts: ['Say', 'Say'],
    completions: ['a', 'b'],
    answers: ['yes', 'yes'],
  });
});

test.each([
  ['too few', 200, '{"scores": [1]}', /with 2 numbers, found 1/],
  ['no scores', 200, '{"score": 1}', /found none/],
  ['no JSON', 200, 'hello', /found none/],
  ['a refusal', 404, 'where?', /status 404: where\?/],
])('a reply that cannot be used: %s', async (_, status, text, why) => {
  let asked = 0;
  const scores = await withServer(
    (_incoming, reply) => {
      asked++;
      reply.writeHead(status).end(text);
    },
    (address) => ask(address, { retries: 1 }),
  );
  expect(scores).toEqual([{ why: expect.stringMatching(why) }, { why: expect.stringMatching(why) }]);
  expect(asked).toBe(1);
});

test('a server that breaks off is asked again; one that is silent or away has failed', async () => {
  let asked = 0;
  const scores = await withServer(
    (incoming, reply) => {
      if (asked++ === 0) incoming.socket.destroy();
      else reply.end('{"scores": [1, 2]}');
    },
    (address) => ask(address, { retries: 1 }),
  );
  expect(scores).toEqual([1, 2]);
  const [silent] = await withServer(
    () => {},
    (address) => ask(address, { timeoutSeconds: 0.1 }),
  );
  expect(silent).toMatchObject({ why: expect.stringMatching(/no reply in 0\.1 s/) });
  const [gone] = await ask('http://127.0.0.1:9');
  expect(gone).toMatchObject({ why: expect.stringMatching(/127\.0\.0\.1:9/) });
});
