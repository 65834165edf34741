// Calls come apart however the text is cut, and text that is no call comes as it was.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AnswerPiece } from '#factory/records/served-template.ts';
import { parsePythonJson } from '../python-json.ts';
import { toolFormat } from '../tool-formats.ts';
import { callGrammar } from './call-grammars.ts';
import { type AnswerShape, readAnswer } from './read-answer.ts';

const FORMATS = [
  'default',
  'gemma4',
  'glm4',
  'glm4_moe',
  'lfm2',
  'ling',
  'llama3',
  'minimax1',
  'minimax2',
  'mistral',
  'qwen',
  'qwen3_5',
  'seed_oss',
];
const NAMES = ['get_weather', 'search'];

function shapeOf(format: string): AnswerShape {
  return {
    thought: null,
    calls: { kind: 'grammar', grammar: callGrammar(format)!, tools: new Set(NAMES) },
  };
}

/** The answer's parts after it has come in the given pieces. */
function read(shape: AnswerShape, pieces: readonly string[]) {
  const reader = readAnswer(shape);
  const told: AnswerPiece[] = [...pieces.flatMap((piece) => reader.push(piece)), ...reader.end()];
  const calls: { name: string | null; text: string }[] = [];
  let text = '';
  let reasoning = '';
  for (const piece of told) {
    if (piece.kind === 'text') text += piece.text;
    else if (piece.kind === 'reasoning') reasoning += piece.text;
    else {
      if (piece.name !== null) calls.push({ name: piece.name, text: '' });
      expect(piece.index).toBe(calls.length - 1);
      calls.at(-1)!.text += piece.arguments;
    }
  }
  return { text, reasoning, calls, whole: reader.wholeCalls, told };
}

/** Cuts a text at random places. */
const cuts = (text: string, places: number[]) => {
  const at = [...new Set(places.map((p) => p % (text.length + 1)))].sort((a, b) => a - b);
  return [...at, text.length].map((end, i) => text.slice(i === 0 ? 0 : at[i - 1], end));
};

const places = fc.array(fc.nat(10_000), { maxLength: 30 });
const calls = [
  { name: 'get_weather', arguments: '{"city": "Zürich, Nord", "days": 3, "exact": true}' },
  { name: 'search', arguments: '{"query": "北京 {天气}", "page": 2}' },
];

describe.each(FORMATS)('%s', (format) => {
  const own = toolFormat(format);
  const render = (list: typeof calls) =>
    own.renderCalls(list.map((call) => ({ name: call.name, arguments: parsePythonJson(call.arguments)! })));
  const most = format === 'glm4' ? 1 : 2;

  test.each(most === 1 ? [1] : [1, 2])('%i calls, cut anywhere', (count) => {
    const list = calls.slice(0, count);
    const text = render(list);
    fc.assert(
      fc.property(places, (at) => {
        const found = read(shapeOf(format), cuts(text, at));
        expect(found.calls.map(({ name, text: json }) => [name, JSON.parse(json)])).toEqual(
          list.map((call) => [call.name, JSON.parse(call.arguments)]),
        );
        expect(found.text).toBe('');
        expect(found.whole).toBe(count);
      }),
      { numRuns: 60 },
    );
  });

  test('text without calls comes as it was', () => {
    const piece = fc.oneof(
      fc.string(),
      fc.constantFrom('<tool', '_call', ' \n', 'Action', '{"name"', '[', '<think>', '\n\n'),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), places, (pieces, at) => {
        const text = pieces.join('');
        fc.pre(!callGrammar(format)!.words.some((word) => text.includes(word)));
        const found = read(shapeOf(format), cuts(text, at));
        expect(found.calls).toEqual([]);
        expect(found.text).toBe(text);
      }),
      { numRuns: 60 },
    );
  });

  test('hostile text is told once and ends', () => {
    const piece = fc.oneof(
      fc.string(),
      fc.constantFrom(
        ...callGrammar(format)!.words,
        '{"name": "search"',
        ', "arguments": {',
        '}',
        '</tool_call>',
        '<parameter=',
        '>',
        '\\',
        '"',
      ),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), places, (pieces, at) => {
        const text = pieces.join('');
        expect(read(shapeOf(format), cuts(text, at)).calls).toEqual(read(shapeOf(format), [text]).calls);
      }),
      { numRuns: 60 },
    );
  });
});

describe('what is told when', () => {
  const qwen = shapeOf('qwen');

  test('the name first, then arguments as they come', () => {
    const reader = readAnswer(qwen);
    expect(reader.push('Let me see.\n<tool_call>\n{"name": "sea')).toEqual([
      { kind: 'text', text: 'Let me see.' },
    ]);
    expect(reader.push('rch", "arguments": {"q": "a')).toEqual([
      { kind: 'call', index: 0, name: 'search', arguments: '' },
      { kind: 'call', index: 0, name: null, arguments: '{"q": "a' },
    ]);
    expect(reader.wholeCalls).toBe(0);
    expect(reader.push('b"}')).toEqual([{ kind: 'call', index: 0, name: null, arguments: 'b"}' }]);
    expect([...reader.push('}\n</tool_call>\n'), ...reader.end()]).toEqual([]);
    expect(reader.wholeCalls).toBe(1);
  });

  test('a call that breaks before its name comes as text', () => {
    for (const text of [
      'x <tool_call>\n{"name": 7}</tool_call>',
      '<tool_call>no JSON</tool_call>',
      '<tool_call>{"arguments": {}}</tool_call> y',
      'a <tool_call>',
    ])
      expect(read(qwen, [...text])).toMatchObject({ text, calls: [] });
  });

  test('what breaks later leaves the arguments as they are, and the rest is text', () => {
    const text = '<tool_call>{"name": "search", "arguments": {"a": ?}}</tool_call>';
    const found = read(qwen, [...text]);
    expect(found.calls).toEqual([{ name: 'search', text: '{"a": ' }]);
    expect(found.text).toBe('?}}</tool_call>');
    expect(found.whole).toBe(0);
  });

  test('arguments before the name wait for it', () => {
    const found = read(qwen, [...'<tool_call>{"arguments": {"a": 1}, "name": "search"}</tool_call>']);
    expect(found.calls).toEqual([{ name: 'search', text: '{"a": 1}' }]);
  });

  test('without a tag only the tools that were offered can be called', () => {
    const text = '{"name": "other", "parameters": {}}';
    expect(read(shapeOf('llama3'), [...text])).toMatchObject({ text, calls: [] });
    expect(read(shapeOf('mistral'), ['[TOOL_CALLS]', '[{"name": "any", "arguments": {}}]']).calls).toEqual([
      { name: 'any', text: '{}' },
    ]);
  });

  test('thoughts are parted from the answer', () => {
    const thought = { words: ['<think>\n', '\n</think>\n\n'] as const, isOpen: false };
    const found = read({ ...qwen, thought }, [
      ...'<think>\nshort\n\nlong\n</think>\n\nYes.<tool_call>{"name":"search","arguments":{}}</tool_call>',
    ]);
    expect(found).toMatchObject({ reasoning: 'short\n\nlong', text: 'Yes.' });
    expect(found.calls).toEqual([{ name: 'search', text: '{}' }]);
    expect(read({ thought, calls: null }, ['\n No', ' thoughts'])).toMatchObject({
      reasoning: '',
      text: '\n No thoughts',
    });
    expect(
      read({ thought: { ...thought, isOpen: true }, calls: null }, ['why', '</thi', 'nk>\n\nso']),
    ).toMatchObject({ reasoning: 'why', text: 'so' });
  });

  test('restricted answers are calls', () => {
    expect(
      read({ thought: null, calls: { kind: 'arguments', name: 'search' } }, ['{"q"', ': 1}']),
    ).toMatchObject({
      calls: [{ name: 'search', text: '{"q": 1}' }],
      whole: 1,
    });
    expect(
      read({ thought: null, calls: { kind: 'json' } }, ['{"name":"a","par', 'ameters":{}}']).calls,
    ).toEqual([{ name: 'a', text: '{}' }]);
  });

  test('a long answer takes time in proportion', () => {
    const reader = readAnswer(qwen);
    let length = 0;
    for (let i = 0; i < 20_000; i++)
      for (const piece of reader.push('word ')) if (piece.kind === 'text') length += piece.text.length;
    for (const piece of reader.end()) if (piece.kind === 'text') length += piece.text.length;
    expect(length).toBe(100_000);
  });
});
