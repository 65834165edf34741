import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Stage } from '#factory/records/train-args.ts';
import { convertRow } from './convert.ts';
import {
  COLUMN_KEYS,
  type ColumnMap,
  type DatasetEntry,
  DEFAULT_COLUMNS,
  DEFAULT_TAGS,
} from './dataset-info.ts';

const SOURCE = { dataset: 'd', file: 'd.json', row: 0 };

function entryOf(
  formatting: DatasetEntry['formatting'],
  columns: Partial<ColumnMap> = {},
  more: Partial<DatasetEntry> = {},
): DatasetEntry {
  const named = { ...DEFAULT_COLUMNS[formatting], ...columns };
  return {
    ...{ name: 'd', path: 'd.json', split: null, formatting, ranking: false, numSamples: null },
    columns: Object.fromEntries(COLUMN_KEYS.map((key) => [key, named[key] ?? null])) as ColumnMap,
    tags: DEFAULT_TAGS[formatting],
    columnsNamed: true,
    ...more,
  };
}

const convert = (row: Record<string, unknown>, entry: DatasetEntry, stage: Stage = 'sft') =>
  convertRow(row, entry, stage, SOURCE);
/** `kind reason field` of each issue. */
const issuesOf = (...args: Parameters<typeof convert>) =>
  convert(...args).issues.map(({ kind, reason, field }) => [kind, reason, field].filter(Boolean).join(' '));

const user = (content: string) => ({ role: 'user', content });
const assistant = (content: string) => ({ role: 'assistant', content });

describe('the published conversion vectors', () => {
  test('alpaca', () => {
    const row = { instruction: 'Solve the math problem.', input: '3 + 4', output: 'The answer is 7.' };
    expect(convert(row, entryOf('alpaca'))).toEqual({
      example: {
        prompt: [user('Solve the math problem.\n3 + 4')],
        response: [assistant('The answer is 7.')],
        system: '',
        tools: '',
        source: SOURCE,
      },
      issues: [],
    });
  });

  test('sharegpt with a system message', () => {
    const conversations = [
      { from: 'system', value: 'You are a helpful assistant.' },
      { from: 'human', value: 'Solve the math problem.\n3 + 4' },
      { from: 'gpt', value: 'The answer is 7.' },
    ];
    const { example } = convert({ conversations }, entryOf('sharegpt'));
    expect(example).toMatchObject({
      prompt: [user('Solve the math problem.\n3 + 4')],
      response: [assistant('The answer is 7.')],
      system: 'You are a helpful assistant.',
      tools: '',
    });
  });
});

describe('alpaca', () => {
  const entry = entryOf('alpaca', { system: 'system', history: 'history' });
  const row = { instruction: 'a', input: 'b', output: 'c' };

  test('history pairs come first, system and empty parts as LLaMA-Factory takes them', () => {
    const history = [
      ['q1', 'r1'],
      ['q2', 'r2'],
    ];
    const { example } = convert({ ...row, instruction: '', history, system: 'S' }, entry);
    expect(example?.prompt).toEqual([user('q1'), assistant('r1'), user('q2'), assistant('r2'), user('b')]);
    expect(example?.system).toBe('S');
    expect(convert({ ...row, input: null, system: null }, entry).example).toMatchObject({
      prompt: [user('a')],
      system: '',
    });
  });

  test('history in JSON text is parsed, other history is refused', () => {
    expect(convert({ ...row, history: '[["q","r"]]' }, entry).example?.prompt).toHaveLength(3);
    expect(issuesOf({ ...row, history: '[["q","r"]]' }, entry)).toEqual([
      'repaired parsed_json_text history',
    ]);
    expect(issuesOf({ ...row, history: [['q']] }, entry)).toEqual(['dropped bad_history history[0]']);
    expect(issuesOf({ ...row, history: 'once upon a time' }, entry)).toEqual(['dropped bad_history history']);
  });

  test('what LLaMA-Factory drops or crashes on has a reason', () => {
    const { output: _, ...noOutput } = row;
    expect(issuesOf({ ...row, output: { a: 1 } }, entry)).toEqual(['dropped wrong_type output']);
    expect(issuesOf({ ...row, output: 7 }, entry)).toEqual(['dropped wrong_type output']);
    expect(issuesOf({ ...row, instruction: 7 }, entry)).toEqual(['dropped wrong_type instruction']);
    expect(issuesOf(noOutput, entry)).toEqual(['dropped missing_column output']);
    expect(issuesOf(noOutput, entry, 'grpo')).toEqual([]);
    expect(issuesOf({ ...row, output: null }, entry)).toEqual(['dropped empty_answer output']);
    expect(issuesOf({ ...row, output: ' \n' }, entry)).toEqual(['dropped empty_answer output']);
    expect(issuesOf({ ...row, instruction: '', input: '' }, entry)).toEqual([
      'dropped empty_prompt instruction',
    ]);
    expect(issuesOf({ ...row, history: [['q', '']] }, entry)).toEqual(['dropped empty_answer history[0]']);
  });

  test('preference and labelled rows are recognised', () => {
    const dpo = entryOf(
      'alpaca',
      { response: null, chosen: 'chosen', rejected: 'rejected' },
      { ranking: true },
    );
    expect(issuesOf({ instruction: 'a', chosen: 'b', rejected: 'c' }, dpo)).toEqual([
      'dropped stage_dpo_needed chosen',
    ]);
    const kto = entryOf('alpaca', { kto_tag: 'label' });
    expect(issuesOf({ ...row, label: false }, kto)).toEqual(['dropped stage_kto_needed label']);
    expect(convert({ ...row, label: null }, kto).example).not.toBeNull();
  });

  test('a column may be called like a method of objects', () => {
    expect(issuesOf({ instruction: 'a', output: 'b' }, entryOf('alpaca', { system: 'constructor' }))).toEqual(
      [],
    );
  });

  test('media rows are refused by name, text rows of the same set are not', () => {
    const media = entryOf('alpaca', { images: 'images' });
    expect(issuesOf({ ...row, images: ['a.png'] }, media)).toEqual(['dropped images_not_supported images']);
    expect(issuesOf({ ...row, images: [] }, media)).toEqual([]);
  });

  test('stage pt takes the text column', () => {
    const pt = entryOf('alpaca', { prompt: 'text', query: null, response: null });
    expect(convert({ text: 'Once.' }, pt, 'pt').example).toMatchObject({
      prompt: [user('Once.')],
      response: [],
    });
    expect(issuesOf({ text: '  ' }, pt, 'pt')).toEqual(['dropped empty_text text']);
    expect(issuesOf({ text: 3 }, pt, 'pt')).toEqual(['dropped wrong_type text']);
  });

  test('lone surrogates are replaced', () => {
    const { example, issues } = convert({ ...row, output: 'x\ud800y' }, entry);
    expect(example?.response[0]?.content).toBe('x\ufffdy');
    expect(issues.map((issue) => issue.reason)).toEqual(['broken_unicode']);
  });
});

describe('sharegpt', () => {
  const entry = entryOf('sharegpt', { tools: 'tools' });
  const say = (...turns: [from: string, value: unknown][]) => ({
    conversations: turns.map(([from, value]) => ({ from, value })),
  });
  const call = '{"name": "f", "arguments": {"x": 1}}';

  test('tool turns keep their roles', () => {
    const row = say(['human', 'h'], ['function_call', call], ['observation', ''], ['gpt', 'g']);
    const { example, issues } = convert({ ...row, tools: '[{"name": "f"}]' }, entry);
    expect(issues).toEqual([]);
    expect(example?.prompt.map((m) => m.role)).toEqual(['user', 'function', 'observation']);
    expect(example?.tools).toBe('[{"name": "f"}]');
  });

  test.each([
    [
      [
        ['gpt', 'g'],
        ['human', 'h'],
      ],
      'bad_role_order conversations[0]',
    ],
    [
      [
        ['system', 's'],
        ['human', 'h'],
        ['human', 'h'],
      ],
      'bad_role_order conversations[2]',
    ],
    [
      [
        ['human', 'h'],
        ['gpt', 'g'],
        ['human', 'h'],
      ],
      'bad_message_count conversations',
    ],
    [
      [
        ['human', 'h'],
        ['system', 's'],
      ],
      'bad_role_order conversations[1].from',
    ],
    [
      [
        ['human', 'h'],
        ['gtp', 'g'],
      ],
      'unknown_role conversations[1].from',
    ],
    [
      [
        ['human', 'h'],
        ['gpt', null],
      ],
      'wrong_type conversations[1].value',
    ],
    [
      [
        ['human', 'h'],
        ['gpt', ''],
      ],
      'empty_answer conversations, turn 2',
    ],
    [
      [
        ['human', ' '],
        ['gpt', 'g'],
      ],
      'empty_prompt conversations, turn 1',
    ],
    [
      [
        ['human', 'h'],
        ['function_call', 'call me'],
      ],
      'bad_function_call conversations, turn 2',
    ],
    [
      [
        ['human', 'h'],
        ['function_call', '{"name": "f"}'],
      ],
      'bad_function_call conversations, turn 2',
    ],
    [[], 'empty_conversation conversations'],
    [[['system', 's']], 'empty_conversation conversations'],
  ] as [[string, unknown][], string][])('%j is dropped: %s', (turns, issue) => {
    expect(issuesOf(say(...turns), entry)).toEqual([`dropped ${issue}`]);
  });

  test('messages that are none', () => {
    expect(issuesOf({ conversations: ['h', 'g'] }, entry)).toEqual(['dropped wrong_type conversations[0]']);
    expect(issuesOf({ conversations: 'hello' }, entry)).toEqual(['dropped wrong_type conversations']);
    expect(issuesOf({ conversations: null }, entry)).toEqual(['dropped missing_column conversations']);
    const otherKeys = { conversations: [{ role: 'user', content: 'h' }] };
    expect(issuesOf(otherKeys, entry)).toEqual(['dropped missing_tag conversations[0]']);
    expect(convert(otherKeys, entry).issues[0]?.detail).toContain('found "role", "content"');
  });

  test('a thought may stand before a function call', () => {
    expect(issuesOf(say(['human', 'h'], ['function_call', `<think>[hm]</think>\n${call}`]), entry)).toEqual(
      [],
    );
  });

  test('tags that leave out the system role make a system message a wrong role', () => {
    const tags = { ...DEFAULT_TAGS.sharegpt, system_tag: null };
    const row = say(['system', 's'], ['human', 'h'], ['gpt', 'g']);
    expect(issuesOf(row, entryOf('sharegpt', {}, { tags }))).toEqual([
      'dropped unknown_role conversations[0].from',
    ]);
  });

  test('the system column gives way to a system message', () => {
    const system = entryOf('sharegpt', { system: 'sys' });
    const row = { ...say(['human', 'h'], ['gpt', 'g']), sys: 'column' };
    expect(convert(row, system).example?.system).toBe('column');
    const both = { ...say(['system', 'message'], ['human', 'h'], ['gpt', 'g']), sys: 'column' };
    expect(convert(both, system).example?.system).toBe('message');
  });

  test('tools', () => {
    const row = say(['human', 'h'], ['gpt', 'g']);
    expect(convert({ ...row, tools: [{ name: 'f' }] }, entry).example?.tools).toBe('[{"name":"f"}]');
    expect(issuesOf({ ...row, tools: [{ name: 'f' }] }, entry)).toEqual(['repaired tools_as_json tools']);
    expect(issuesOf({ ...row, tools: 'a hammer' }, entry)).toEqual(['dropped bad_tools tools']);
    expect(issuesOf({ ...row, tools: '{"name": "f"}' }, entry)).toEqual(['dropped bad_tools tools']);
    expect(issuesOf({ ...row, tools: '[{"title": "f"}]' }, entry)).toEqual(['dropped bad_tools tools']);
    expect(issuesOf({ ...row, tools: '[{"type": "function", "function": {"name": "f"}}]' }, entry)).toEqual(
      [],
    );
    let deep: unknown = [{ name: 'f' }];
    for (let i = 0; i < 100_000; i++) deep = [deep];
    expect(issuesOf({ ...row, tools: deep }, entry)).toEqual(['dropped bad_tools tools']);
  });

  test('preference and labelled rows are recognised, broken ones are told apart', () => {
    const dpo = entryOf('sharegpt', { chosen: 'chosen', rejected: 'rejected' }, { ranking: true });
    const row = {
      ...say(['human', 'h']),
      chosen: { from: 'gpt', value: 'a' },
      rejected: { from: 'gpt', value: 'b' },
    };
    expect(issuesOf(row, dpo)).toEqual(['dropped stage_dpo_needed chosen']);
    expect(issuesOf({ ...row, rejected: { from: 'human', value: 'b' } }, dpo)).toEqual([
      'dropped bad_role_order rejected',
    ]);
    expect(issuesOf({ ...row, chosen: 'a' }, dpo)).toEqual(['dropped wrong_type chosen']);
    expect(issuesOf({ ...row, ...say(['human', 'h'], ['gpt', 'g']) }, dpo)).toEqual([
      'dropped bad_message_count conversations',
    ]);
    const kto = entryOf('sharegpt', { kto_tag: 'label' });
    expect(issuesOf({ ...say(['human', 'h'], ['gpt', 'g']), label: true }, kto)).toEqual([
      'dropped stage_kto_needed label',
    ]);
  });
});

describe('openai', () => {
  const entry = entryOf('openai', { tools: 'tools' });
  const toolCall = (args: unknown) => ({
    role: 'assistant',
    content: null,
    tool_calls: [{ id: '1', type: 'function', function: { name: 'f', arguments: args } }],
  });

  test('tool calls become a JSON list, results that follow each other one turn', () => {
    const messages = [
      { role: 'system', content: 'S' },
      user('h'),
      toolCall({ x: 1 }),
      { role: 'tool', content: 'r1' },
      { role: 'tool', content: 'r2' },
      assistant('g'),
    ];
    const { example, issues } = convert({ messages }, entry);
    expect(issues).toEqual([]);
    expect(example?.prompt).toEqual([
      user('h'),
      { role: 'function', content: '[{"name":"f","arguments":{"x":1}}]' },
      { role: 'observation', content: 'r1\n</tool_response>\n<tool_response>\nr2' },
    ]);
    expect(example?.response).toEqual([assistant('g')]);
  });

  test('the system text stays as it is', () => {
    expect(convert({ messages: [user('h'), assistant('g')] }, entry).example?.system).toBe('');
  });

  test('arguments in JSON text are not quoted twice', () => {
    const { example, issues } = convert({ messages: [user('h'), toolCall('{"x": 1}')] }, entry);
    expect(example?.response[0]?.content).toBe('[{"name":"f","arguments":{"x":1}}]');
    expect(issues.map((issue) => issue.reason)).toEqual(['tool_arguments_as_json']);
  });

  test('what is lost in conversion is reported', () => {
    const beside = { ...toolCall({}), content: 'Let me look.' };
    expect(issuesOf({ messages: [user('h'), beside] }, entry)).toEqual([
      'repaired content_beside_tool_calls messages[1].content',
    ]);
    const trailing = [user('h'), toolCall({}), { role: 'tool', content: 'r' }];
    expect(issuesOf({ messages: trailing }, entry)).toEqual(['repaired trailing_tool_message messages']);
  });

  test('content in parts', () => {
    const parts = (...content: unknown[]) => ({ messages: [{ role: 'user', content }, assistant('g')] });
    const text = (t: string) => ({ type: 'text', text: t });
    expect(convert(parts(text('a'), text('b')), entry).example?.prompt).toEqual([user('ab')]);
    expect(issuesOf(parts(text('a'), { type: 'image_url' }), entry)).toEqual([
      'dropped wrong_type messages[0].content',
    ]);
  });

  test('null tool calls, wrong order, unknown roles', () => {
    expect(issuesOf({ messages: [user('h'), { ...assistant('g'), tool_calls: null }] }, entry)).toEqual([]);
    expect(
      issuesOf({ messages: [user('h'), { role: 'tool', content: 'r' }, assistant('g')] }, entry),
    ).toEqual(['dropped bad_role_order messages[1]']);
    expect(issuesOf({ messages: [user('h'), { role: 'asistant', content: 'g' }] }, entry)).toEqual([
      'dropped unknown_role messages[1].role',
    ]);
    expect(issuesOf({ messages: [user('h'), { role: 'assistant', tool_calls: [7] }] }, entry)).toEqual([
      'dropped bad_function_call messages[1].tool_calls[0]',
    ]);
  });
});

test('any row at all gives an example or one dropped issue, never an exception', () => {
  const value = fc.anything({ withNullPrototype: false });
  const message = fc.record(
    {
      from: fc.oneof(fc.constantFrom('human', 'gpt', 'system', 'observation', 'function_call'), value),
      value: fc.oneof(fc.string(), value),
      role: fc.oneof(fc.constantFrom('user', 'assistant', 'tool', 'system'), value),
      content: fc.oneof(fc.string(), value),
      tool_calls: value,
    },
    { requiredKeys: [] },
  );
  const row = fc.record(
    {
      instruction: value,
      input: value,
      output: value,
      history: value,
      system: value,
      tools: value,
      images: value,
      chosen: fc.oneof(message, value),
      rejected: value,
      label: fc.oneof(fc.boolean(), value),
      conversations: fc.oneof(fc.array(message), value),
      messages: fc.oneof(fc.array(message), value),
    },
    { requiredKeys: [] },
  );
  const all: Partial<ColumnMap> = { history: 'history', system: 'system', tools: 'tools', images: 'images' };
  const entries = (['alpaca', 'sharegpt', 'openai'] as const).flatMap((formatting) => [
    entryOf(formatting, all),
    entryOf(formatting, { ...all, kto_tag: 'label' }),
    entryOf(formatting, { ...all, chosen: 'chosen', rejected: 'rejected' }, { ranking: true }),
  ]);
  fc.assert(
    fc.property(
      row,
      fc.constantFrom(...entries),
      fc.constantFrom<Stage>('sft', 'pt'),
      (columns, entry, stage) => {
        const { example, issues } = convert(columns, entry, stage);
        expect(issues.filter((issue) => issue.kind === 'dropped')).toHaveLength(example === null ? 1 : 0);
        if (example === null || stage === 'pt') return;
        expect(example.response).toHaveLength(1);
        expect(example.prompt.length % 2).toBe(1);
        for (const [i, { role }] of example.prompt.entries()) {
          expect(['user', 'observation'].includes(role)).toBe(i % 2 === 0);
        }
      },
    ),
    { numRuns: 2000 },
  );
});
