// The stock client of OpenAI against a model that llama.cpp runs here: what holds for an upstream holds for it too.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI, { BadRequestError } from 'openai';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { openServedModel, type ServedBase } from '../../packages/factory/src/pipeline/open-served-model.ts';
import { writeTinyGguf, writeTinyLora } from '../../packages/factory/src/serve/llama/fixtures/tiny-gguf.ts';
import { type Gateway, openGateway } from './gateway.ts';
import { tinyEntry } from './tiny-entry.ts';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const dir = mkdtempSync(join(tmpdir(), 'tunesmith-embedded-http-'));
let base: ServedBase;
let gateway: Gateway;
let client: OpenAI;
beforeAll(async () => {
  const path = writeTinyGguf(join(dir, 'tiny.gguf'));
  const adapter = { id: 'tuned', path: writeTinyLora(join(dir, 'a.gguf'), 'a'), scale: 1 };
  base = await openServedModel(tinyEntry(path, [adapter]), { env: {}, note: () => {} });
  gateway = await openGateway(base.models.map(({ model }) => model));
  client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none', maxRetries: 0 });
});
afterAll(async () => {
  await gateway.server.stop();
  await gateway.models.close();
  expect(base.engine.pid).toBeNull();
  rmSync(dir, { recursive: true, force: true });
});

/** Special tokens have no text. */
const LIMITS = { temperature: 0, max_tokens: 12, logit_bias: { 0: -100, 1: -100, 2: -100 } };
const complete = (model: string, more: object = {}) =>
  client.completions.create({ model, prompt: 'Once', ...LIMITS, ...more }) as Promise<OpenAI.Completion>;

test('base and adapter are two models, and a stream says what the whole says', async () => {
  expect((await client.models.list()).data.map(({ id }) => id)).toEqual(['tiny', 'tuned']);
  const [plain, tuned] = await Promise.all([complete('tiny'), complete('tuned')]);
  expect(plain.choices[0].text).toHaveLength(12);
  expect(tuned.choices[0].text).not.toBe(plain.choices[0].text);
  expect(plain.system_fingerprint).not.toBe(tuned.system_fingerprint);
  const stream = await client.completions.create({ model: 'tiny', prompt: 'Once', ...LIMITS, stream: true });
  let text = '';
  for await (const { choices } of stream) text += choices[0].text;
  expect(text).toBe(plain.choices[0].text);
});

test('stop, logprobs, seeds, choices and usage', async () => {
  const { choices, usage } = await complete('tiny', { logprobs: 3 });
  expect(choices[0].logprobs!.tokens!.join('')).toBe(choices[0].text);
  expect(Object.keys(choices[0].logprobs!.top_logprobs![0])).toHaveLength(3);
  expect(usage).toMatchObject({ completion_tokens: 12 });
  const stop = choices[0].text.slice(5, 7);
  const cut = await complete('tiny', { stop });
  expect(cut.choices[0]).toMatchObject({
    text: choices[0].text.slice(0, choices[0].text.indexOf(stop)),
    finish_reason: 'stop',
  });
  const warm = { temperature: 1, seed: 11, n: 2 };
  const [first, second] = await Promise.all([complete('tiny', warm), complete('tiny', warm)]);
  expect(second.choices.map(({ text }) => text)).toEqual(first.choices.map(({ text }) => text));
  expect(first.choices[0].text).not.toBe(first.choices[1].text);
});

test('formats and calls are held to', async () => {
  const schema = {
    type: 'object',
    properties: { ok: { type: 'boolean' } },
    required: ['ok'],
    additionalProperties: false,
  };
  const messages = [{ role: 'user' as const, content: 'Is it?' }];
  const { choices } = await client.chat.completions.create({
    model: 'tiny',
    messages,
    temperature: 0,
    max_tokens: 60,
    response_format: { type: 'json_schema', json_schema: { name: 'ok', schema, strict: true } },
  });
  expect(typeof JSON.parse(choices[0].message.content!).ok).toBe('boolean');
});

test('what does not fit, and what the model cannot do, are errors of the client', async () => {
  const long = await complete('tiny', { prompt: 'x'.repeat(2000) }).catch((error: unknown) => error);
  expect(long).toBeInstanceOf(BadRequestError);
  expect(long).toMatchObject({ code: 'context_length_exceeded' });
  const vectors = await client.embeddings
    .create({ model: 'tiny', input: 'a' })
    .catch((error: unknown) => error);
  expect(vectors).toBeInstanceOf(BadRequestError);
});
