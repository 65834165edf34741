// Models on llama.cpp, asked as a server asks them: what they answer is what `tunesmith generate` answers, adapters come and go
// while others are answered, and restricted answers are what was asked for.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { parseModelArgs } from '../../packages/factory/src/arguments/parse.ts';
import { openGenerator } from '../../packages/factory/src/pipeline/inference.ts';
import { openServedModel, type ServedBase } from '../../packages/factory/src/pipeline/open-served-model.ts';
import type { EmbeddedEntry } from '../../packages/factory/src/records/serve-args.ts';
import type {
  AnswerPart,
  ChatAsk,
  ServedModel,
  TextAsk,
} from '../../packages/factory/src/records/served-model.ts';
import { writeTinyGguf, writeTinyLora } from '../../packages/factory/src/serve/llama/fixtures/tiny-gguf.ts';
import { assetPath } from '../assets.ts';
import { tunesmith } from '../train/tiny-world.ts';
import { greedy } from './asks.ts';
import { tinyEntry } from './tiny-entry.ts';

/** A process with a model, on a busy machine. */
const START_MS = 240_000;
vi.setConfig({ testTimeout: START_MS, hookTimeout: START_MS });

const dir = mkdtempSync(join(tmpdir(), 'tunesmith-embedded-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const { signal } = new AbortController();
const notes: string[] = [];
const deps = { env: { XDG_CACHE_HOME: join(dir, 'cache') }, note: (text: string) => void notes.push(text) };

const entry = (path: string, change: Partial<EmbeddedEntry> = {}): EmbeddedEntry => ({
  ...tinyEntry(path, []),
  template: null,
  ...change,
});

const question = (content: string, change: Partial<ChatAsk> = {}): ChatAsk => ({
  messages: [{ role: 'user', content, toolCalls: [], toolCallId: null }],
  tools: [],
  toolChoice: 'auto',
  parallelToolCalls: true,
  format: { kind: 'text' },
  ...change,
  sampling: { ...greedy, maxTokens: 24, ...change.sampling },
});

async function collect(parts: AsyncIterable<AnswerPart>) {
  const all: AnswerPart[] = [];
  for await (const part of parts) all.push(part);
  const end = all.at(-1) as Extract<AnswerPart, { kind: 'end' }>;
  const text = all.map((part) => (part.kind === 'text' ? part.text : '')).join('');
  return { text, end, all };
}

const plain = (prompt: TextAsk['prompt'], change: Partial<TextAsk['sampling']> = {}): TextAsk => ({
  prompt,
  format: { kind: 'text' },
  sampling: { ...greedy, maxTokens: 24, ...change },
});

async function generated(path: string, prompt: string, raw: boolean, more: string[] = []) {
  const words = ['--model_name_or_path', path, ...more];
  const { args } = parseModelArgs(words, [], { readFile: () => '', env: {} });
  const generator = await openGenerator(args, {});
  try {
    const options = {
      ...{ maxNewTokens: 24, doSample: false, temperature: 1, topP: 1, topK: 0, repetitionPenalty: 1 },
      ...{ stop: [], seed: 1, onText: () => {}, signal },
    };
    return raw
      ? await generator.generateRaw(prompt, options)
      : await generator.generate([{ role: 'user', content: prompt }], options);
  } finally {
    await generator.close();
  }
}

describe('a tiny file', () => {
  let base: ServedBase;
  let model: ServedModel;
  const lora = join(dir, 'a.gguf');
  beforeAll(async () => {
    const path = writeTinyGguf(join(dir, 'tiny.gguf'));
    writeTinyLora(lora, 'a');
    base = await openServedModel(
      entry(path, { template: 'default', adapters: [{ id: 'tuned', path: lora, scale: 1 }] }),
      deps,
    );
    model = base.models[0].model;
  });
  afterAll(async () => {
    await Promise.all(base.models.map(({ model: one }) => one.close()));
    expect(base.engine.pid).toBeNull();
  });

  test('tells tokens with log-probabilities and bytes, for the text and no more', async () => {
    // Special tokens have no text here, so they are kept out.
    const logitBias = { 0: -100, 1: -100, 2: -100 };
    const { text, all, end } = await collect(
      model.complete(plain('Once', { logprobs: 2, logitBias }), signal),
    );
    const logprobs = all.flatMap((part) => (part.kind === 'text' ? part.logprobs : []));
    expect(logprobs.map(({ token }) => token).join('')).toBe(text);
    expect(new TextDecoder().decode(Uint8Array.from(logprobs.flatMap(({ bytes }) => bytes)))).toBe(text);
    // They are of the distribution before the bias.
    for (const { top, logprob } of logprobs) {
      expect(top).toHaveLength(2);
      expect(top[0]!.logprob).toBeGreaterThanOrEqual(Math.max(logprob, top[1]!.logprob));
    }
    expect(end.usage).toMatchObject({ promptTokens: 5, completionTokens: logprobs.length });
    const stop = text.slice(4, 6);
    const cut = await collect(
      model.complete({ ...plain('Once', { logprobs: 0, logitBias, stop: [stop] }) }, signal),
    );
    const told = cut.all.flatMap((part) => (part.kind === 'text' ? part.logprobs : []));
    expect(cut.text).toBe(text.slice(0, text.indexOf(stop)));
    expect(told.map(({ token }) => token).join('')).toBe(cut.text);
    expect(cut.end.finish).toBe('stop');
  });

  test('answers in JSON of a schema, and makes a call where one is required', async () => {
    const schema = {
      type: 'object',
      properties: { ok: { type: 'boolean' } },
      required: ['ok'],
      additionalProperties: false,
    };
    const format = { kind: 'json_schema', name: 'x', schema, strict: true } as const;
    const json = await collect(model.chat(question('Say', { format }), signal));
    expect(JSON.parse(json.text)).toEqual({ ok: expect.any(Boolean) });
    const tools = [{ name: 'switch', description: 'On or off', parameters: schema }];
    const called = await collect(
      model.chat(question('Say', { tools, toolChoice: { name: 'switch' } }), signal),
    );
    const parts = called.all.filter((part) => part.kind === 'tool_call');
    expect(parts[0]).toMatchObject({ index: 0, id: expect.stringMatching(/^call_\w{24}$/), name: 'switch' });
    expect(JSON.parse(parts.map((part) => part.arguments).join(''))).toEqual({ ok: expect.any(Boolean) });
    expect([called.end.finish, called.text]).toEqual(['tool_calls', '']);
  });

  test('an adapter answers otherwise, and can be put on and taken off while others are answered', async () => {
    const tuned = base.models[1]!.model;
    const ask = plain('Once upon', { maxTokens: 40 });
    const [own, other] = [
      await collect(model.complete(ask, signal)),
      await collect(tuned.complete(ask, signal)),
    ];
    expect(other.text).not.toBe(own.text);
    expect(tuned.fingerprint).not.toBe(model.fingerprint);
    const running = Promise.all([1, 2, 3].map(() => collect(model.complete(ask, signal))));
    const late = await base.addAdapter('late', lora, 1);
    expect((await collect(late.model.complete(ask, signal))).text).toBe(other.text);
    const last = collect(late.model.complete(ask, signal));
    await late.model.close();
    expect((await last).text).toBe(other.text);
    await expect(collect(late.model.complete(ask, signal))).rejects.toMatchObject({ code: 'SERVE_ENGINE' });
    expect((await running).map(({ text }) => text)).toEqual([own.text, own.text, own.text]);
    expect(base.engine.adapters).toHaveLength(1);
    await expect(base.addAdapter('x', join(dir, 'tiny.gguf'), 1)).rejects.toMatchObject({
      code: 'ADAPTERS_UNSUPPORTED',
    });
  });

  test('who leaves ends the answer at once', async () => {
    const leaving = new AbortController();
    const parts = model.complete(plain('Once', { maxTokens: 400 }), leaving.signal);
    await expect(
      (async () => {
        for await (const _ of parts) leaving.abort();
      })(),
    ).rejects.toThrow(/abort/);
    for await (const _ of model.complete(plain('Once', { maxTokens: 400 }), signal)) break;
    expect((await collect(model.complete(plain('Once'), signal))).end.finish).toMatch(/stop|length/);
  });
});

describe('the model of the quickstart, as a folder', () => {
  const folder = 'packages/factory/base/tunesmith-tiny';
  let base: ServedBase;
  beforeAll(async () => {
    base = await openServedModel(entry(folder), deps);
  });
  afterAll(() => base.models[0].model.close());

  test('answers token by token as tunesmith generate does', async () => {
    const { model } = base.models[0];
    for (const prompt of [
      'Is this e-mail spam or ham?\nSubject: free prize',
      '用一句话介绍北京。',
      'Count: 1, 2, 3, 🎉',
    ]) {
      const own = await generated(folder, prompt, false);
      const { text, end } = await collect(model.chat(question(prompt), signal));
      expect(text).toBe(own.text);
      expect(end).toMatchObject({
        finish: own.finish,
        usage: { promptTokens: own.promptTokens, completionTokens: own.newTokens },
      });
    }
  });

  test('takes the folder of an adapter, and asks it by the template that it was trained with', async () => {
    const rows = join(dir, 'rows.json');
    const pairs = ['red', 'green', 'blue', 'black'].map((word) => ({
      instruction: `Say ${word}`,
      input: '',
      output: `The word is ${word} and nothing else.`,
    }));
    writeFileSync(rows, JSON.stringify(pairs));
    const adapter = join(dir, 'adapter');
    const words = [
      ...['train', '--model_name_or_path', folder, '--do_train', '--stage', 'sft', '--dataset', rows],
      ...['--finetuning_type', 'lora', '--lora_target', 'all', '--lora_rank', '4', '--template', 'default'],
      ...['--output_dir', adapter, '--max_steps', '6', '--learning_rate', '0.02', '--save_strategy', 'no'],
      ...['--cutoff_len', '64', '--per_device_train_batch_size', '4', '--gradient_accumulation_steps', '1'],
    ];
    const run = await tunesmith(words);
    expect([run.status, run.status === 0 ? '' : run.err]).toEqual([0, '']);
    const { model } = await base.addAdapter('tuned', adapter, 1);
    const given = ['--adapter_name_or_path', adapter, '--template', 'default'];
    for (const prompt of ['Say blue', 'Say green']) {
      const own = await generated(folder, prompt, false, given);
      const { text, end } = await collect(model.chat(question(prompt), signal));
      expect(text).toBe(own.text);
      expect(end.usage).toMatchObject({ promptTokens: own.promptTokens, completionTokens: own.newTokens });
    }
    const plainText = (await collect(base.models[0].model.chat(question('Say blue'), signal))).text;
    expect((await collect(model.chat(question('Say blue'), signal))).text).not.toBe(plainText);
    await model.close();
  });

  test('is exported once', async () => {
    expect(notes.filter((note) => note.includes('to a GGUF file'))).toHaveLength(1);
    const again = await openServedModel(entry(folder), deps);
    await again.models[0].model.close();
    expect(notes.filter((note) => note.includes('to a GGUF file'))).toHaveLength(1);
    expect(again.models[0].model.fingerprint).toBe(base.models[0].model.fingerprint);
  });
});

const stories = assetPath('models/stories260K-f32.gguf');
describe.skipIf(!stories)('a real model', () => {
  test('answers token by token as tunesmith generate does', async () => {
    const base = await openServedModel(entry(stories!), deps);
    const { model } = base.models[0];
    expect(model.can).toMatchObject({ chat: false, completions: true, embeddings: false });
    for (const prompt of ['Once upon a time', 'Lily and Tom']) {
      const own = await generated(stories!, prompt, true);
      const { text, end } = await collect(model.complete(plain(prompt), signal));
      expect(text).toBe(own.text);
      expect(end.usage).toMatchObject({ promptTokens: own.promptTokens, completionTokens: own.newTokens });
    }
    await model.close();
  });
});

test('what is no model is refused', async () => {
  await expect(openServedModel(entry(join(dir, 'none')), deps)).rejects.toMatchObject({
    code: 'MODEL_NOT_FOUND',
  });
  await expect(openServedModel(entry(join(dir, 'none.gguf')), deps)).rejects.toMatchObject({
    code: 'MODEL_NOT_FOUND',
  });
});
