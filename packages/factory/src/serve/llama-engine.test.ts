// The engine over a random tiny model, which every machine can make. What real models answer is in test/parity.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type AnswerFormat, GREEDY } from '#factory/records/served-model.ts';
import type { TokenAsk, TokenEvent } from '#factory/records/token-engine.ts';
import {
  TINY_VOCABULARY,
  tinyIds,
  tinyText,
  writeTinyGguf,
  writeTinyLora,
} from './llama/fixtures/tiny-gguf.ts';
import { type LlamaEngine, openLlamaEngine } from './llama-engine.ts';
import { llamaSettings } from './llama-settings.ts';

const folder = mkdtempSync(join(tmpdir(), 'tunesmith-engine-'));
const modelPath = writeTinyGguf(join(folder, 'tiny.gguf'));
const loraPath = writeTinyLora(join(folder, 'a.gguf'), 'a');
const otherLoraPath = writeTinyLora(join(folder, 'b.gguf'), 'b');
const MACHINE = { processors: 1, memory: 2 ** 30 };
const OPTIONS = llamaSettings({ modelPath, contextSize: 256, batchSize: 64, contexts: 2, queue: 4 }, MACHINE);
const SAMPLING: TokenAsk['sampling'] = { ...GREEDY, maxTokens: 16, seed: 1 };
const never = new AbortController().signal;

/** A process with a model, on a busy machine. */
const START_MS = 240_000;
vi.setConfig({ testTimeout: START_MS });

let engine: LlamaEngine;
beforeAll(async () => {
  engine = await openLlamaEngine(OPTIONS);
}, START_MS);
afterAll(async () => {
  await engine.close();
  rmSync(folder, { recursive: true });
});

interface Over extends Partial<Omit<TokenAsk, 'sampling' | 'prompt'>> {
  prompt?: string;
  sampling?: Partial<TokenAsk['sampling']>;
}

const askOf = ({ prompt = 'Once', sampling, ...over }: Over = {}): TokenAsk => ({
  prompt: [1, ...tinyIds(prompt)],
  adapter: null,
  stopIds: [],
  format: { kind: 'text' },
  ...over,
  sampling: { ...SAMPLING, ...sampling },
});

type Token = Extract<TokenEvent, { kind: 'token' }>;
type End = Extract<TokenEvent, { kind: 'end' }>;

async function answer(over: Over = {}, of = engine) {
  const tokens: Token[] = [];
  let end: End | null = null;
  for await (const event of of.generate(askOf(over), never)) {
    if (event.kind === 'token') tokens.push(event);
    else end = event;
  }
  return { ids: tokens.map(({ id }) => id), tokens, end: end as End | null };
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no error',
    (error) => error.code,
  );

describe('answers', () => {
  test('a greedy answer is the likeliest path, as scores of the whole say', async () => {
    const { ids, end } = await answer();
    expect(ids).toHaveLength(16);
    expect(end).toMatchObject({ finish: 'length', promptTokens: 5 });
    const prompt = [1, ...tinyIds('Once')];
    const rows = await engine.scoreAll([...prompt, ...ids], null, never);
    expect(rows).toHaveLength(prompt.length + ids.length);
    for (const [i, id] of ids.entries()) {
      const row = rows[prompt.length - 1 + i];
      expect(row.indexOf(Math.max(...row))).toBe(id);
      expect(row.reduce((sum, one) => sum + Math.exp(one), 0)).toBeCloseTo(1, 4);
    }
  });

  test('log-probabilities are those before sampling, the likeliest first', async () => {
    const { ids, tokens } = await answer({
      sampling: { temperature: 1.5, logprobs: 3, logitBias: { 5: 3 } },
    });
    const prompt = [1, ...tinyIds('Once')];
    const rows = await engine.scoreAll([...prompt, ...ids], null, never);
    for (const [i, { id, logprob, top }] of tokens.entries()) {
      const row = rows[prompt.length - 1 + i];
      expect(logprob).toBeCloseTo(row[id], 3);
      expect(top).toHaveLength(3);
      expect(top[0].logprob).toBeCloseTo(Math.max(...row), 3);
      expect(top.map((one) => one.logprob)).toEqual(top.map((one) => one.logprob).toSorted((a, b) => b - a));
    }
    expect((await answer({ sampling: { logprobs: 0 } })).tokens[0]).toMatchObject({
      logprob: expect.any(Number),
      top: [],
    });
    expect((await answer()).tokens[0]).toMatchObject({ logprob: null, top: [] });
  });

  test('the same seed gives the same answer, also beside others', async () => {
    const drawn = { temperature: 1, seed: 7, maxTokens: 32 };
    const alone = await answer({ sampling: drawn });
    const beside = await Promise.all([
      answer({ sampling: drawn }),
      ...['a b c', 'x', 'what?'].map((prompt) => answer({ prompt, sampling: { ...drawn, seed: 8 } })),
    ]);
    expect(beside[0].ids).toEqual(alone.ids);
    expect((await answer({ sampling: { ...drawn, seed: 9 } })).ids).not.toEqual(alone.ids);
  });

  test('more questions than slots are all answered, each with its own answer', async () => {
    const prompts = ['one', 'two', 'three', 'four', 'five', 'six', 'seven'];
    const alone = [];
    for (const prompt of prompts) alone.push((await answer({ prompt })).ids);
    const together = await Promise.all(prompts.map((prompt) => answer({ prompt })));
    expect(together.map(({ ids }) => ids)).toEqual(alone);
  });

  test('top-k of one and a tiny top-p are greedy', async () => {
    const greedy = await answer();
    expect((await answer({ sampling: { temperature: 1, topK: 1 } })).ids).toEqual(greedy.ids);
    expect((await answer({ sampling: { temperature: 1, topP: 1e-6 } })).ids).toEqual(greedy.ids);
    expect((await answer({ sampling: { temperature: 1, minP: 1 } })).ids).toEqual(greedy.ids);
  });

  test('penalties and biases change what follows', async () => {
    const plain = (await answer({ sampling: { maxTokens: 32 } })).ids;
    expect(new Set(plain).size).toBeLessThan(plain.length);
    const each = [
      { presencePenalty: 99 },
      { frequencyPenalty: 99 },
      { repetitionPenalty: 100, presencePenalty: 99 },
    ];
    for (const penalty of each) {
      const { ids } = await answer({ sampling: { maxTokens: 32, ...penalty } });
      expect(new Set(ids).size, JSON.stringify(penalty)).toBe(ids.length);
    }
    // Repetition counts the prompt, presence does not.
    const prompt = 'abc';
    const first = (await answer({ prompt, sampling: { logitBias: { [tinyIds('a')[0]]: 50 } } })).ids[0];
    expect(first).toBe(tinyIds('a')[0]);
    const { ids: biased } = await answer({ sampling: { logitBias: { [plain[0]]: -100 } } });
    expect(biased).not.toContain(plain[0]);
  });

  test('stop ids end an answer and are not told', async () => {
    const { ids } = await answer();
    const at = ids.findIndex((id, i) => i > 0 && ids.indexOf(id) === i);
    const { ids: shorter, end } = await answer({ stopIds: [ids[at]] });
    expect(shorter).toEqual(ids.slice(0, at));
    expect(end?.finish).toBe('stop');
  });

  test('an answer ends where the context is full', async () => {
    const { ids, end } = await answer({ prompt: 'x'.repeat(250), sampling: { maxTokens: null } });
    expect(ids).toHaveLength(256 - 251);
    expect(end?.finish).toBe('length');
    expect((await answer({ sampling: { maxTokens: 0 } })).end).toMatchObject({
      finish: 'length',
      promptTokens: 5,
    });
  });

  test('what an earlier prompt left is not run again, and changes nothing', async () => {
    const prompt = 'The quick brown fox jumps over the lazy dog. '.repeat(4);
    const first = await answer({ prompt });
    const again = await answer({ prompt });
    expect(again.end?.cachedTokens).toBe(prompt.length);
    expect(again.ids).toEqual(first.ids);
    const longer = await answer({ prompt: `${prompt.slice(0, 100)}!` });
    expect(longer.end?.cachedTokens).toBe(101);
  });
});

describe('grammars', () => {
  const schema = {
    type: 'object',
    properties: {
      name: { type: 'string', maxLength: 5 },
      kind: { enum: ['a', 'b"c'] },
      count: { type: 'integer' },
      when: { type: 'string', format: 'date' },
      tags: { type: 'array', items: { type: 'boolean' }, minItems: 1, maxItems: 3 },
      more: { anyOf: [{ type: 'null' }, { $ref: '#/$defs/pair' }] },
    },
    required: ['name', 'kind', 'tags'],
    $defs: { pair: { type: 'array', prefixItems: [{ type: 'number' }, { const: 1 }], items: false } },
  };

  test('a random model writes JSON that satisfies the schema', async () => {
    const { default: Ajv } = await import('ajv/dist/2020.js');
    const validate = new Ajv.default({ strict: false, validateFormats: false }).compile(schema);
    const format: AnswerFormat = { kind: 'json_schema', name: 'x', schema, strict: true };
    let whole = 0;
    for (let seed = 0; seed < 8; seed++) {
      const { ids, end } = await answer({ format, sampling: { temperature: 1, seed, maxTokens: null } });
      if (end?.finish === 'length') continue;
      whole++;
      expect(validate(JSON.parse(tinyText(ids))), tinyText(ids)).toBe(true);
    }
    expect(whole).toBeGreaterThan(0);
  });

  test('any JSON object', async () => {
    const { ids, end } = await answer({
      format: { kind: 'json' },
      sampling: {
        temperature: 1,
        seed: 3,
        maxTokens: null,
        logitBias: { [tinyIds('}')[0]]: 8, [tinyIds('"')[0]]: 4 },
      },
    });
    expect(end?.finish).toBe('stop');
    expect(JSON.parse(tinyText(ids))).toBeTypeOf('object');
  });
});

describe('what cannot be asked', () => {
  test('is refused by code before llama.cpp sees it', async () => {
    const bad: [Over, string][] = [
      [{ prompt: 'x'.repeat(300) }, 'SERVE_CONTEXT'],
      [{ adapter: 'none' }, 'SERVE_ASK'],
      [{ sampling: { temperature: Number.NaN } }, 'SERVE_ASK'],
      [{ sampling: { topP: 2 } }, 'SERVE_ASK'],
      [{ sampling: { logitBias: { 9999: 1 } } }, 'SERVE_ASK'],
      [{ sampling: { logprobs: 1e6 } }, 'SERVE_ASK'],
      [{ format: { kind: 'json_schema', name: '', schema: { not: {} }, strict: true } }, 'SERVE_ASK'],
    ];
    for (const [over, code] of bad) expect(await codeOf(answer(over)), JSON.stringify(over)).toBe(code);
    for (const prompt of [[], [-1], [TINY_VOCABULARY.length], [1.5]]) {
      const ask = { ...askOf(), prompt };
      expect(await codeOf(engine.generate(ask, never)[Symbol.asyncIterator]().next())).toBe('SERVE_ASK');
    }
    expect(await codeOf(engine.embed([[1]], never))).toBe('SERVE_ASK');
    expect((await answer()).ids).toHaveLength(16);
  });

  test('a full queue', async () => {
    const many = Array.from({ length: 12 }, () => codeOf(answer({ sampling: { maxTokens: 100 } })));
    const codes = await Promise.all(many);
    expect(codes.filter((code) => code === 'SERVE_BUSY')).toHaveLength(4);
    expect(codes.filter((code) => code === 'no error')).toHaveLength(8);
  });
});

describe('stopping', () => {
  test('leaving early and aborting free the slot', async () => {
    const long = { maxTokens: 240 };
    for (let i = 0; i < 8; i++) {
      let told = 0;
      for await (const event of engine.generate(askOf({ sampling: long }), never))
        if (event.kind === 'token' && ++told === 3) break;
      const abort = new AbortController();
      const reading = (async () => {
        for await (const _ of engine.generate(askOf({ sampling: long }), abort.signal))
          abort.abort(new Error('enough'));
      })();
      await expect(reading).rejects.toThrow('enough');
    }
    const aborted = AbortSignal.abort(new Error('before'));
    await expect(engine.generate(askOf(), aborted)[Symbol.asyncIterator]().next()).rejects.toThrow('before');
    // Four slots would all be taken by now.
    expect(
      (await Promise.all([1, 2, 3, 4, 5].map(() => answer()))).every(({ ids }) => ids.length === 16),
    ).toBe(true);
    expect(engine.waiting).toBe(0);
  });
});

describe('adapters', () => {
  test('each has its own answers beside the base, whatever the number of contexts', async () => {
    const base = (await answer()).ids;
    await engine.loadAdapter('a', loraPath, 1);
    await engine.loadAdapter('b', otherLoraPath, 1);
    await engine.loadAdapter('none', loraPath, 0);
    const [a, b] = [(await answer({ adapter: 'a' })).ids, (await answer({ adapter: 'b' })).ids];
    expect(a).not.toEqual(base);
    expect(b).not.toEqual(base);
    expect(b).not.toEqual(a);
    expect((await answer({ adapter: 'none' })).ids).toEqual(base);
    const mixed = await Promise.all(
      ['a', null, 'b', 'a', 'none', null].map((adapter) => answer({ adapter })),
    );
    expect(mixed.map(({ ids }) => ids)).toEqual([a, base, b, a, base, base]);
    const scored = await engine.scoreAll([1, ...tinyIds('Once')], 'a', never);
    expect(scored.at(-1)?.indexOf(Math.max(...(scored.at(-1) ?? [])))).toBe(a[0]);
  });

  test('a swap and an unloading leave answers under way alone', async () => {
    await engine.loadAdapter('live', loraPath, 1);
    const expected = (await answer({ adapter: 'live', sampling: { maxTokens: 100 } })).ids;
    const underWay = [1, 2, 3].map(() => answer({ adapter: 'live', sampling: { maxTokens: 100 } }));
    await engine.loadAdapter('live', otherLoraPath, 1);
    const swapped = (await answer({ adapter: 'live' })).ids;
    expect(swapped).toEqual((await answer({ adapter: 'b' })).ids);
    for (const one of await Promise.all(underWay)) expect(one.ids).toEqual(expected);
    const last = answer({ adapter: 'live', sampling: { maxTokens: 100 } });
    await Promise.all([engine.unloadAdapter('live'), last]);
    expect(await codeOf(answer({ adapter: 'live' }))).toBe('SERVE_ASK');
    expect(await codeOf(engine.unloadAdapter('live'))).toBe('SERVE_ASK');
  });

  test('a file that is no adapter of this model', async () => {
    expect(await codeOf(engine.loadAdapter('x', modelPath, 1))).toBe('SERVE_MODEL');
    expect(await codeOf(engine.loadAdapter('x', join(folder, 'missing'), 1))).toBe('SERVE_MODEL');
    expect(engine.adapters).not.toContain('x');
    expect((await answer()).ids).toHaveLength(16);
  });
});

describe('the process', () => {
  test('killed in the middle of answers: typed errors, a new process, the same answers', async () => {
    const base = (await answer()).ids;
    const adapted = (await answer({ adapter: 'a' })).ids;
    const before = engine.pid as number;
    const lost = [1, 2, 3, 4].map(() => codeOf(answer({ sampling: { maxTokens: 240 } })));
    const queued = answer({ adapter: 'a' });
    for await (const _ of engine.generate(askOf({ adapter: 'a', sampling: { maxTokens: 1 } }), never)) break;
    lost.push(...[1].map(() => codeOf(answer({ sampling: { maxTokens: 240 } }))));
    process.kill(before, 'SIGKILL');
    const codes = await Promise.all(lost);
    expect(codes).toContain('SERVE_ENGINE');
    expect(codes.every((code) => code === 'SERVE_ENGINE' || code === 'no error')).toBe(true);
    expect((await queued.catch(() => ({ ids: adapted }))).ids).toEqual(adapted);
    expect((await answer()).ids).toEqual(base);
    expect((await answer({ adapter: 'a' })).ids).toEqual(adapted);
    expect(engine.restarts).toBe(1);
    expect(engine.pid).not.toBe(before);
    expect(engine.isReady()).toBe(true);
  });

  test('close waits for answers under way and takes no more', async () => {
    const other = await openLlamaEngine(OPTIONS);
    const pid = other.pid as number;
    const last = answer({ sampling: { maxTokens: 200 } }, other);
    const first = other.generate(askOf(), never)[Symbol.asyncIterator]();
    await first.next();
    const closed = other.close();
    expect(await codeOf(answer({}, other))).toBe('SERVE_ENGINE');
    await first.return?.();
    expect((await last).ids).toHaveLength(200);
    await closed;
    expect(() => process.kill(pid, 0)).toThrow();
  });

  test('files that are no model, and contexts that fit into no memory', async () => {
    const whole = readFileSync(modelPath);
    const broken = join(folder, 'broken.gguf');
    const codeOfFile = (bytes: Uint8Array | string) => {
      writeFileSync(broken, bytes);
      return codeOf(openLlamaEngine({ ...OPTIONS, modelPath: broken }));
    };
    for (const bytes of ['', 'GGUF', 'GGUF and nothing else, not even a number'])
      expect(await codeOfFile(bytes)).toBe('SERVE_MODEL');
    const many = Buffer.from(whole);
    many.writeBigUInt64LE(1n << 40n, 16);
    expect(await codeOfFile(many)).toBe('SERVE_MODEL');
    expect(await codeOf(openLlamaEngine({ ...OPTIONS, modelPath: join(folder, 'missing') }))).toBe(
      'MODEL_NOT_FOUND',
    );
    expect(await codeOfFile(whole.subarray(0, whole.length / 2))).toBe('SERVE_MODEL');
    expect(await codeOf(openLlamaEngine({ ...OPTIONS, memoryLimit: 200_000 }))).toBe('SERVE_MEMORY');
  });
});

test('settings have defaults that fit the machine, and wrong ones are named', () => {
  expect(llamaSettings({ modelPath }, MACHINE)).toMatchObject({
    threads: 1,
    slots: 4,
    gpu: false,
    contextSize: null,
    queue: 64,
  });
  expect(llamaSettings({ modelPath, slots: 1000 / 4 }, MACHINE).batchSize).toBe(512);
  const wrong = [
    { slots: 0 },
    { slots: 1.5 },
    { threads: -1 },
    { contextSize: 1 },
    { slots: 9, batchSize: 8 },
  ];
  for (const wish of wrong)
    expect(() => llamaSettings({ modelPath, ...wish }, MACHINE), JSON.stringify(wish)).toThrow(
      /whole number/,
    );
});

test('vectors of unit length where the model pools', async () => {
  const path = writeTinyGguf(join(folder, 'pooling.gguf'), { pooling: true });
  const other = await openLlamaEngine({ ...OPTIONS, modelPath: path });
  const [a, b, c] = await other.embed(
    [
      [1, ...tinyIds('dog')],
      [1, ...tinyIds('cat')],
      [1, ...tinyIds('dog')],
    ],
    never,
  );
  expect(a).toHaveLength(32);
  expect(a.reduce((sum, one) => sum + one * one, 0)).toBeCloseTo(1, 5);
  expect(c).toEqual(a);
  expect(b).not.toEqual(a);
  await other.close();
});
