// The law of serving: a question is rendered to the ids that training learned, for every template, from the same rows.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { convertRow } from '../../packages/factory/src/data/convert.ts';
import { detectFormat } from '../../packages/factory/src/data/detect-format.ts';
import type { ChatAsk, ChatAskMessage } from '../../packages/factory/src/records/served-model.ts';
import { servedTemplate } from '../../packages/factory/src/tokens/answer/served-template.ts';
import { characterTokenizer } from '../../packages/factory/src/tokens/fixtures/character-tokenizer.ts';
import { resolveTemplate } from '../../packages/factory/src/tokens/template.ts';
import { templateNames } from '../../packages/factory/src/tokens/template-table.ts';
import { greedy } from './asks.ts';

/** A message as data files of OpenAI's format have it, and as clients send it. */
interface WireMessage {
  role: 'system' | 'user' | 'assistant' | 'tool';
  content: string | null;
  tool_calls?: { id: string; type: 'function'; function: { name: string; arguments: string } }[];
  tool_call_id?: string;
}

const TOOLS = [
  {
    type: 'function',
    function: {
      name: 'get_weather',
      description: 'Weather of a city',
      parameters: {
        type: 'object',
        properties: { city: { type: 'string', description: 'Name' }, days: { type: 'integer' } },
        required: ['city'],
      },
    },
  },
  {
    type: 'function',
    function: { name: 'clock', description: '时间', parameters: { type: 'object', properties: {} } },
  },
];

/** A tokenizer that knows every token a template may name: an id per character else. */
function knowingTokenizer() {
  const known = ['<BOS>', '<EOS>', '<PAD>'];
  const plain = characterTokenizer(['<BOS>', '<EOS>', '<PAD>']);
  return {
    ...plain,
    tokenToId(token: string) {
      if (!known.includes(token)) known.push(token);
      return 0x110000 + known.indexOf(token);
    },
    idToToken: (id: number) => (id >= 0x110000 ? (known[id - 0x110000] ?? null) : plain.idToToken(id)),
    bosId: 0x110000,
    eosId: 0x110001,
    padId: 0x110002,
  };
}

const toAsk = (messages: WireMessage[], tools: typeof TOOLS): ChatAsk => ({
  messages: messages.map(
    ({ role, content, tool_calls, tool_call_id }): ChatAskMessage => ({
      role,
      content: content ?? '',
      toolCalls: (tool_calls ?? []).map((call) => ({ id: call.id, ...call.function })),
      toolCallId: tool_call_id ?? null,
    }),
  ),
  tools: tools.map(({ function: own }) => own),
  toolChoice: 'auto',
  parallelToolCalls: true,
  format: { kind: 'text' },
  sampling: greedy,
});

/** What training makes of the conversation with an answer: the ids before that answer. */
function trainedPrompt(
  template: ReturnType<typeof resolveTemplate>,
  messages: WireMessage[],
  tools: typeof TOOLS,
): number[] {
  const row = {
    messages: [...messages, { role: 'assistant', content: 'Fine.' }],
    ...(tools.length > 0 ? { tools } : {}),
  };
  const entry = detectFormat({ name: 'rows', path: 'rows.jsonl' }, [row], 'sft');
  const { example, issues } = convertRow(row, entry, 'sft', { dataset: 'rows', file: 'rows.jsonl', row: 0 });
  expect(issues.filter(({ kind }) => kind === 'dropped')).toEqual([]);
  const { prompt, response, system, tools: list } = example!;
  return template.encodeOneTurn([...prompt, ...response], system, list).prompt;
}

const text = fc.string({ minLength: 1, unit: 'grapheme' }).filter((one) => one.trim() !== '');
const call = (name: string, args: object) => ({
  id: 'call_1',
  type: 'function' as const,
  function: { name, arguments: JSON.stringify(args) },
});

const round = fc.tuple(text, text).map(([question, answer]): WireMessage[] => [
  { role: 'user', content: question },
  { role: 'assistant', content: answer },
]);
const thoughtful = fc.tuple(text, text, text).map(([question, thought, answer]): WireMessage[] => [
  { role: 'user', content: question },
  { role: 'assistant', content: `<think>\n${thought.replaceAll('<', '(')}\n</think>\n\n${answer}` },
]);
const toolRound = (most: number) =>
  fc
    .tuple(text, fc.integer({ min: 1, max: most }), text, text)
    .map(([question, count, city, result]): WireMessage[] => [
      { role: 'user', content: question },
      {
        role: 'assistant',
        content: null,
        tool_calls: [call('get_weather', { city, days: 2 }), call('clock', {})].slice(0, count),
      },
      ...Array.from(
        { length: count },
        (_, i): WireMessage => ({ role: 'tool', content: `${result} ${i}`, tool_call_id: 'call_1' }),
      ),
      { role: 'assistant', content: 'So it is.' },
    ]);

describe.each(['latest', 'v0.6.3'] as const)('templates of %s', (version) => {
  test.each(templateNames(version))('%s', (name) => {
    const tokenizer = knowingTokenizer();
    const template = resolveTemplate({ tokenizer, name, version });
    const served = servedTemplate(template, tokenizer);
    const most = version === 'v0.6.3' || template.answerFormat === 'glm4' ? 1 : 2;
    const conversation = fc.tuple(
      fc.option(text, { nil: null }),
      fc.array(fc.oneof(round, thoughtful, toolRound(most)), { maxLength: 3 }),
      text,
      fc.boolean(),
    );
    fc.assert(
      fc.property(conversation, ([system, rounds, last, hasTools]) => {
        const messages: WireMessage[] = [
          ...(system === null ? [] : [{ role: 'system' as const, content: system }]),
          ...rounds.flat(),
          { role: 'user', content: last },
        ];
        const tools = hasTools ? TOOLS : [];
        expect(served.prepare(toAsk(messages, tools)).prompt).toEqual(
          trainedPrompt(template, messages, tools),
        );
      }),
      { numRuns: 8 },
    );
    // Results of calls may be the last that the model is told.
    const open = fc.sample(toolRound(most), 1)[0]!.slice(0, -1);
    expect(served.prepare(toAsk(open, TOOLS)).prompt).toEqual(trainedPrompt(template, open, TOOLS));
  });
});

describe('conversations that no training row has', () => {
  const tokenizer = knowingTokenizer();
  const template = resolveTemplate({ tokenizer, name: 'qwen' });
  const served = servedTemplate(template, tokenizer);
  const prompt = (messages: WireMessage[]) => served.prepare(toAsk(messages, [])).prompt;
  const user = (content: string): WireMessage => ({ role: 'user', content });
  const assistant = (content: string): WireMessage => ({ role: 'assistant', content });
  const system = (content: string): WireMessage => ({ role: 'system', content });

  test('turns of one side become one', () => {
    expect(prompt([user('a'), user('b')])).toEqual(prompt([user('a\n\nb')]));
    expect(prompt([system('a'), system('b'), user('c')])).toEqual(prompt([system('a\n\nb'), user('c')]));
    expect(prompt([user('a'), assistant('b'), assistant('c'), user('d')])).toEqual(
      prompt([user('a'), assistant('b\n\nc'), user('d')]),
    );
  });

  test.each<[string, WireMessage[], RegExp]>([
    ['nothing', [], /expected a message of role user/],
    ['system text alone', [system('x')], /expected a message of role user/],
    ['an answer first', [assistant('x'), user('y')], /messages\[0\]: expected role user/],
    ['an answer last', [user('x'), assistant('y')], /expected the last one/],
    ['system text behind others', [user('x'), system('y'), user('z')], /messages\[1\]/],
    [
      'a question behind results',
      [
        user('x'),
        { role: 'assistant', content: null, tool_calls: [call('clock', {})] },
        { role: 'tool', content: '1' },
        user('y'),
      ],
      /messages\[3\]/,
    ],
  ])('%s is refused', (_, messages, why) => {
    expect(() => prompt(messages)).toThrow(
      expect.objectContaining({ code: 'SERVE_ASK', message: expect.stringMatching(why) }),
    );
  });

  test('lone surrogates become what training makes of them', () => {
    expect(prompt([user('a\ud800')])).toEqual(prompt([user('a\ufffd')]));
  });
});
