import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeWorld, readJson, tunesmith, type World } from './tiny-world.ts';

interface Answer {
  text: string;
  finish: string;
  promptTokens: number;
  newTokens: number;
}

let world: World;
beforeAll(async () => {
  world = makeWorld();
  const run = await world.train('adapter', { lora_target: 'all', learning_rate: 0.05, save_strategy: 'no' });
  expect([run.status, run.status === 0 ? '' : run.err]).toEqual([0, '']);
});
afterAll(() => world.dispose());

const base = () => [
  'generate',
  '--model_name_or_path',
  world.model,
  '--template',
  'default',
  '--max_new_tokens',
  '12',
  '--do_sample',
  'false',
];
const adapted = () => [...base(), '--adapter_name_or_path', world.at('adapter')];

async function answer(words: string[], input = ''): Promise<Answer> {
  const run = await tunesmith([...words, '--json'], { input });
  expect([run.status, run.err.replaceAll(/note: .*\n/g, '')]).toEqual([0, '']);
  return JSON.parse(run.out) as Answer;
}

test('continues raw text, and answers by the template, with the base and with an adapter', async () => {
  const raw = await answer([...base(), '--raw', '--prompt', 'Say cat']);
  expect(raw.promptTokens).toBe(7);
  expect(raw.newTokens).toBe(raw.text.length);
  expect(raw.newTokens === 12).toBe(raw.finish === 'length');
  // "Human: Say cat</s>\nAssistant:", one id per character.
  const plain = await answer([...base(), '--prompt', 'Say cat']);
  expect(plain.promptTokens).toBe('Human: Say cat'.length + 1 + '\nAssistant:'.length);
  expect(plain.text).not.toBe(raw.text);
  const tuned = await answer([...adapted(), '--prompt', 'Say cat']);
  expect(tuned.promptTokens).toBe(plain.promptTokens);
  expect(tuned.text).not.toBe(plain.text);
});

test('shows while it is made the same text that it gives at the end', async () => {
  const words = [...adapted(), '--prompt', 'Say dog'];
  const { text } = await answer(words);
  const streamed = await tunesmith(words);
  const whole = await tunesmith([...words, '--stream', 'false']);
  expect([streamed.status, streamed.out]).toEqual([0, `${text}\n`]);
  expect([whole.status, whole.out]).toEqual([0, `${text}\n`]);
});

test('reads the prompt from a file or standard input, and ends at a stop word', async () => {
  const { text } = await answer([...base(), '--raw', '--prompt', 'A dog']);
  writeFileSync(world.at('prompt.txt'), 'A dog');
  expect((await answer([...base(), '--raw', '--prompt_file', world.at('prompt.txt')])).text).toBe(text);
  expect((await answer([...base(), '--raw'], 'A dog')).text).toBe(text);
  const stop = text.slice(4, 6);
  const stopped = await answer([...base(), '--raw', '--prompt', 'A dog', '--stop', stop]);
  expect(stopped).toMatchObject({ text: text.slice(0, text.indexOf(stop)), finish: 'stop' });
});

test('draws the same answer for the same seed', async () => {
  const draw = (seed: number) =>
    answer([
      ...base(),
      '--raw',
      '--prompt',
      'A cow',
      '--do_sample',
      'true',
      '--temperature',
      '1.5',
      '--top_p',
      '0.95',
      '--seed',
      String(seed),
    ]);
  const [a, b, c] = [await draw(1), await draw(1), await draw(2)];
  expect(b).toEqual(a);
  expect(c.text).not.toBe(a.text);
});

test('keeps a conversation with --chat', async () => {
  const run = await tunesmith([...adapted(), '--chat'], { input: 'Say cat\nclear\nSay cat\nexit\n' });
  expect(run.status).toBe(0);
  const parts = run.out
    .replaceAll('\n[length]', '')
    .split('\n')
    .filter((line) => line !== '');
  expect(run.err).toContain('the conversation is forgotten');
  expect(parts.length).toBeGreaterThanOrEqual(2);
  expect(parts.slice(0, parts.length / 2)).toEqual(parts.slice(parts.length / 2));
});

test('refuses what does not fit, with a remedy', async () => {
  const broken = world.at('wide');
  cpSync(world.at('adapter'), broken, { recursive: true });
  const config = readJson(broken, 'adapter_config.json');
  writeFileSync(`${broken}/adapter_config.json`, JSON.stringify({ ...config, peft_type: 'IA3' }));
  const header = readFileSync(world.at('adapter', 'adapter_model.safetensors'));
  const foreign = world.at('foreign');
  cpSync(world.at('adapter'), foreign, { recursive: true });
  writeFileSync(
    `${foreign}/adapter_model.safetensors`,
    Buffer.from(header.toString('latin1').replaceAll('layers.2', 'layers.7'), 'latin1'),
  );
  const cases: [string[], number, RegExp][] = [
    [['--model_name_or_path', world.at('nowhere')], 2, /^error MODEL_NOT_FOUND: .*nowhere/],
    [
      ['--model_name_or_path', world.model, '--adapter_name_or_path', world.at('nowhere')],
      2,
      /^error ADAPTERS_NOT_FOUND: .*nowhere/,
    ],
    [
      ['--model_name_or_path', world.model, '--adapter_name_or_path', broken],
      2,
      /^error ADAPTERS_UNSUPPORTED: .*IA3/,
    ],
    [
      ['--model_name_or_path', world.model, '--adapter_name_or_path', foreign],
      2,
      /^error ADAPTERS_MISMATCH: .*layers\.7/,
    ],
    [
      ['--model_name_or_path', world.model, '--template', 'defualt'],
      2,
      /^error TOKENS_UNKNOWN_TEMPLATE: .*"defualt".*\n.*Did you mean default/,
    ],
    [
      ['--model_name_or_path', world.model, '--template', 'default', '--prompt', 'x'.repeat(600)],
      2,
      /^error MODEL_CONTEXT_EXCEEDED: /,
    ],
  ];
  for (const [words, status, error] of cases) {
    const run = await tunesmith(['generate', '--prompt', 'Hi', ...words]);
    expect([words, run.status, run.err.replaceAll(/note: .*\n/g, '')]).toEqual([
      words,
      status,
      expect.stringMatching(error),
    ]);
    expect(run.err).toMatch(/\n {2}remedy: .*[.]\n$/);
    expect(run.err).not.toMatch(/\n\s+at /);
  }
});
