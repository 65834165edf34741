// A model that is asked as a server asks it answers as `tunesmith generate` does.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseModelArgs } from '../../packages/factory/src/arguments/parse.ts';
import { type Generator, openGenerator } from '../../packages/factory/src/pipeline/inference.ts';
import { openOwnModel } from '../../packages/factory/src/pipeline/open-own-model.ts';
import type { AnswerPart, ChatAsk, ServedModel } from '../../packages/factory/src/records/served-model.ts';
import { makeWorld, type World } from '../train/tiny-world.ts';
import { greedy } from './asks.ts';

let world: World;
let model: ServedModel;
let generator: Generator;
const { signal } = new AbortController();

beforeAll(async () => {
  world = makeWorld();
  const words = ['--model_name_or_path', world.model, '--template', 'default'];
  const { args } = parseModelArgs(words, [], { readFile: () => '', env: {} });
  const deps = { env: {}, note: () => {} };
  model = await openOwnModel('tiny', args, deps);
  generator = await openGenerator(args, {});
});
afterAll(async () => {
  await model.close();
  await generator.close();
  world.dispose();
});

const ask = (content: string, sampling: Partial<typeof greedy> = {}): ChatAsk => ({
  messages: [{ role: 'user', content, toolCalls: [], toolCallId: null }],
  tools: [],
  toolChoice: 'auto',
  parallelToolCalls: true,
  format: { kind: 'text' },
  sampling: { ...greedy, maxTokens: 12, ...sampling },
});

async function collect(parts: AsyncIterable<AnswerPart>) {
  let text = '';
  let end: Extract<AnswerPart, { kind: 'end' }> | null = null;
  for await (const part of parts) {
    if (part.kind === 'text') text += part.text;
    if (part.kind === 'end') end = part;
  }
  return { text, end: end! };
}

const generated = (prompt: string, seed: number | null, stop: string[] = []) =>
  generator.generate([{ role: 'user', content: prompt }], {
    maxNewTokens: 12,
    doSample: seed !== null,
    temperature: 1,
    topP: 1,
    topK: 0,
    repetitionPenalty: 1,
    stop,
    seed: seed ?? 1,
    onText: () => {},
    signal,
  });

test('the same text, tokens and reason to end', async () => {
  for (const prompt of ['Say cat', 'Was ist \u{1F600} 猫?']) {
    const own = await generated(prompt, null);
    const { text, end } = await collect(model.chat(ask(prompt), signal));
    expect(text).toBe(own.text);
    expect(end).toMatchObject({
      finish: own.finish,
      usage: { promptTokens: own.promptTokens, completionTokens: own.newTokens, reasoningTokens: 0 },
    });
  }
});

test('the same draws for a seed, and the same end at a stop word', async () => {
  const drawn = await generated('Say dog', 7);
  const { text } = await collect(model.chat(ask('Say dog', { temperature: 1, seed: 7 }), signal));
  expect(text).toBe(drawn.text);
  const stop = text.slice(3, 5);
  const cut = await collect(model.chat(ask('Say dog', { temperature: 1, seed: 7, stop: [stop] }), signal));
  expect(cut.text).toBe(text.slice(0, text.indexOf(stop)));
  expect(cut.end.finish).toBe('stop');
});

test('several ask at once, and one who leaves ends only its own answer', async () => {
  const questions = ['a', 'b', 'c', 'd'].map((letter) => ask(`Say ${letter}`, { maxTokens: 40 }));
  const alone: string[] = [];
  for (const question of questions) alone.push((await collect(model.chat(question, signal))).text);
  const leaving = new AbortController();
  const left = (async () => {
    for await (const part of model.chat(questions[1]!, leaving.signal))
      if (part.kind === 'text') leaving.abort();
  })();
  const stayed = questions.filter((_, i) => i !== 1).map((question) => collect(model.chat(question, signal)));
  await expect(left).rejects.toThrow(/aborted/);
  expect((await Promise.all(stayed)).map(({ text }) => text)).toEqual(alone.filter((_, i) => i !== 1));
});

test('text is continued without a template, and ids must be of its vocabulary', async () => {
  const sampling = { ...greedy, maxTokens: 8 };
  const format = { kind: 'text' } as const;
  const fromText = await collect(model.complete({ prompt: 'A cow', format, sampling }, signal));
  expect(fromText.end.usage.promptTokens).toBe('A cow'.length);
  await expect(collect(model.complete({ prompt: [1e9], format, sampling }, signal))).rejects.toMatchObject({
    code: 'SERVE_ASK',
  });
});

test('what this engine cannot do is refused by name', async () => {
  const refused = (change: Partial<ChatAsk>) =>
    expect(collect(model.chat({ ...ask('x'), ...change }, signal))).rejects.toMatchObject({
      code: 'SERVE_ASK',
    });
  await refused({ format: { kind: 'json' } });
  await refused({ sampling: { ...greedy, logprobs: 2 } });
  await refused({ toolChoice: 'required' });
  await refused({ messages: [] });
  await expect(collect(model.chat(ask('x'.repeat(5000)), signal))).rejects.toMatchObject({
    code: 'SERVE_CONTEXT',
  });
});
