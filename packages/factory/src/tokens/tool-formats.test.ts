import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FactoryError } from '#factory/errors.ts';
import { dumpPythonJson } from './python-json.ts';
import { renderFunctionTurn, renderToolList, toolFormat, V0_6_3_DEFAULT } from './tool-formats.ts';

const CALL = '{"name": "tool_name", "arguments": {"foo": "bar", "size": 10}}';
const ARGS = '{"foo": "bar", "size": 10}';
const TOOL =
  '{"name": "test_tool", "description": "tool_desc", "parameters": {"type": "object", "properties": {"foo": {"type": "string", "description": "foo_desc"}, "bar": {"type": "number", "description": "bar_desc"}}, "required": ["foo"]}}';
const WRAPPED = `{"type": "function", "function": ${TOOL}}`;
const INDENTED = JSON.stringify(JSON.parse(TOOL), null, 4);
const context = { date: '18 Aug 2026' };

const tools = (name: string, json = `[${TOOL}]`) => renderToolList(toolFormat(name), json, context);
const calls = (name: string, json: string) => renderFunctionTurn(toolFormat(name), json, null);
const extract = (name: string, text: string) =>
  toolFormat(name)
    .extractCalls(text)
    ?.map((call) => [call.name, dumpPythonJson(call.arguments)]) ?? null;

// The strings of LLaMA-Factory's tests/data/test_formatter.py.
describe('calls', () => {
  test.each([
    [
      'default',
      `Action: tool_name\nAction Input: ${ARGS}`,
      `Action: tool_name\nAction Input: ${ARGS}\nAction: tool_name\nAction Input: ${ARGS}`,
    ],
    [
      'llama3',
      `{"name": "tool_name", "parameters": ${ARGS}}`,
      `[{"name": "tool_name", "parameters": ${ARGS}}, {"name": "tool_name", "parameters": ${ARGS}}]`,
    ],
    ['mistral', `[${CALL}]`, `[${CALL}, ${CALL}]`],
    [
      'qwen',
      `<tool_call>\n${CALL}\n</tool_call>`,
      `<tool_call>\n${CALL}\n</tool_call>\n<tool_call>\n${CALL}\n</tool_call>`,
    ],
    [
      'lfm2',
      '<|tool_call_start|>[tool_name(foo="bar", size=10)]<|tool_call_end|>',
      '<|tool_call_start|>[tool_name(foo="bar", size=10), tool_name(foo="bar", size=10)]<|tool_call_end|>',
    ],
  ])('%s', (name, one, two) => {
    expect(calls(name, CALL)).toBe(one);
    expect(calls(name, `[${CALL},${CALL}]`)).toBe(two);
  });

  // These are what LLaMA-Factory's tool_utils.py prints for the same call (run with CPython 3.11).
  test.each([
    ['glm4', `tool_name\n${ARGS}`],
    [
      'glm4_moe',
      '\n<tool_call>tool_name\n<arg_key>foo</arg_key>\n<arg_value>bar</arg_value>\n<arg_key>size</arg_key>\n<arg_value>10</arg_value>',
    ],
    [
      'qwen3_5',
      '<tool_call>\n<function=tool_name>\n<parameter=foo>\nbar\n</parameter>\n<parameter=size>\n10\n</parameter>\n</function>\n</tool_call>',
    ],
    [
      'seed_oss',
      '\n<seed:tool_call>\n<function=tool_name\n<parameter=foo>bar</parameter>\n<parameter=size>10</parameter>\n</function>\n</seed:tool_call>',
    ],
    ['ling', `<tool_call>\n${CALL}\n</tool_call>`],
    ['minimax1', `<tool_calls>\n${CALL}\n</tool_calls>`],
    [
      'minimax2',
      '<invoke name="tool_name">\n<parameter name="foo">bar</parameter>\n<parameter name="size">10</parameter>\n</invoke>',
    ],
    ['gemma4', '<|tool_call>call:tool_name{foo:<|"|>bar<|"|>,size:10}<tool_call|>'],
  ])('%s', (name, one) => {
    expect(calls(name, CALL)).toBe(one);
  });

  test('thoughts stay in front, tagged calls are found', () => {
    const words = {
      thought: ['<think>\n', '\n</think>\n\n'],
      toolCall: ['<tool_call>', '</tool_call>'],
    } as const;
    const qwen = toolFormat('qwen');
    const rendered = `<tool_call>\n${CALL}\n</tool_call>`;
    expect(renderFunctionTurn(qwen, `<think>\nwhy\n</think>\n\n${CALL}`, words)).toBe(
      `<think>\nwhy\n</think>\n\n${rendered}`,
    );
    expect(renderFunctionTurn(qwen, `Sure: <tool_call>${CALL}</tool_call>`, words)).toBe(`Sure: ${rendered}`);
  });

  test('a second call of one turn is refused by glm4', () => {
    expect(() => calls('glm4', `[${CALL}, ${CALL}]`)).toThrow(/exactly one call/);
  });
});

describe('tool lists', () => {
  test('default', () => {
    expect(tools('default')).toBe(
      'You have access to the following tools:\n> Tool Name: test_tool\nTool Description: tool_desc\nTool Args:\n  - foo (string, required): foo_desc\n  - bar (number): bar_desc\n\nUse the following format if using a tool:\n```\nAction: tool name (one of [test_tool])\nAction Input: the input to the tool, in a JSON format representing the kwargs (e.g. ```{"input": "hello world", "num_beams": 5}```)\n```\n',
    );
    expect(tools(V0_6_3_DEFAULT)).toContain(
      'Action: tool name (one of [test_tool]).\nAction Input: the input to the tool, in a JSON',
    );
  });
  test('default with enum, items and nothing', () => {
    const json =
      '[{"name":"a","parameters":{"properties":{"x":{"type":"array","items":{"type":"string"}},"y":{"type":["string","null"],"enum":["p","q"]}}}},{"name":"b"}]';
    expect(tools('default', json)).toContain(
      "> Tool Name: a\nTool Description: \nTool Args:\n  - x (array): , where each item should be string\n  - y (['string', 'null']): , should be one of [p, q]\n\n> Tool Name: b\nTool Description: \nTool Args:\n\nUse the",
    );
  });
  test('glm4', () => {
    expect(tools('glm4')).toBe(
      `你是一个名为 ChatGLM 的人工智能助手。你是基于智谱 AI 公司训练的语言模型 GLM-4 模型开发的，你的任务是针对用户的问题和要求提供适当的答复和支持。\n\n# 可用工具\n\n## test_tool\n\n${INDENTED}\n在调用上述函数时，请使用 Json 格式表示调用的参数。`,
    );
  });
  test('llama3', () => {
    expect(tools('llama3')).toBe(
      `Cutting Knowledge Date: December 2023\nToday Date: 18 Aug 2026\n\nYou have access to the following functions. To call a function, please respond with JSON for a function call. Respond in the format {"name": function name, "parameters": dictionary of argument name and its value}. Do not use variables.\n\n${JSON.stringify(JSON.parse(WRAPPED), null, 4)}\n\n`,
    );
  });
  test('mistral', () => {
    expect(tools('mistral')).toBe(`[AVAILABLE_TOOLS] [${WRAPPED}][/AVAILABLE_TOOLS]`);
    expect(tools('mistral', `[${WRAPPED}]`)).toBe(tools('mistral'));
  });
  test('qwen', () => {
    expect(tools('qwen')).toBe(
      `\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou are provided with function signatures within <tools></tools> XML tags:\n<tools>\n${WRAPPED}\n</tools>\n\nFor each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:\n<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>`,
    );
  });
  test('lfm2', () => {
    expect(tools('lfm2')).toBe(`List of tools: <|tool_list_start|>[${TOOL}]<|tool_list_end|>`);
  });
  test('gemma4', () => {
    expect(tools('gemma4')).toBe(
      'declaration:test_tool{description:<|"|>tool_desc<|"|>,parameters:{properties:{foo:{description:<|"|>foo_desc<|"|>,type:<|"|>STRING<|"|>},bar:{description:<|"|>bar_desc<|"|>,type:<|"|>NUMBER<|"|>}},required:[<|"|>foo<|"|>],type:<|"|>OBJECT<|"|>}}',
    );
  });
  test('an empty list gives the empty text', () => {
    expect(tools('qwen', '[]')).toBe('');
  });
});

describe('extraction', () => {
  const one = [['test_tool', ARGS]];
  const two = [
    ['test_tool', ARGS],
    ['another_tool', '{"foo": "job", "size": 2}'],
  ];
  test.each([
    ['default', `Action: test_tool\nAction Input: ${ARGS}`, one],
    [
      'default',
      `Action: test_tool\nAction Input: ${ARGS}\nAction: another_tool\nAction Input: {"foo": "job", "size": 2}`,
      two,
    ],
    ['glm4', `test_tool\n${ARGS}\n`, one],
    ['llama3', `{"name": "test_tool", "parameters": ${ARGS}}\n`, one],
    [
      'llama3',
      `[{"name": "test_tool", "parameters": ${ARGS}}, {"name": "another_tool", "parameters": {"foo": "job", "size": 2}}]`,
      two,
    ],
    ['mistral', `{"name": "test_tool", "arguments": ${ARGS}}`, one],
    ['qwen', `<tool_call>\n{"name": "test_tool", "arguments": ${ARGS}}\n</tool_call>`, one],
    [
      'qwen',
      `<tool_call>\n{"name": "test_tool", "arguments": ${ARGS}}\n</tool_call>\n<tool_call>\n{"name": "another_tool", "arguments": {"foo": "job", "size": 2}}\n</tool_call>`,
      two,
    ],
    ['lfm2', '<|tool_call_start|>[test_tool(foo="bar", size=10)]<|tool_call_end|>', one],
    [
      'lfm2',
      '<|tool_call_start|>[test_tool(foo="bar", size=10), another_tool(foo="job", size=2)]<|tool_call_end|>',
      two,
    ],
    [
      'lfm2',
      '<|tool_call_start|>[s(q="t", o={"limit": 10, "x": [1.5, None]}, e=True)]<|tool_call_end|>',
      [['s', '{"q": "t", "o": {"limit": 10, "x": [1.5, null]}, "e": true}']],
    ],
    [
      'minimax2',
      '<minimax:tool_call>\n<invoke name="test_tool">\n<parameter name="foo">bar</parameter>\n<parameter name="size">10</parameter>\n</invoke>\n</minimax:tool_call>',
      one,
    ],
  ])('%s reads %s', (name, text, expected) => {
    expect(extract(name, text)).toEqual(expected);
  });

  const names = [
    'default',
    'gemma4',
    'glm4',
    'lfm2',
    'ling',
    'llama3',
    'minimax1',
    'mistral',
    'qwen',
    'qwen3_5',
    'seed_oss',
  ];
  test.each(names)('%s gives its own calls back', (name) => {
    const json = '{"name": "my_func", "arguments": {"arg1": "hello", "arg2": 42, "arg3": true}}';
    expect(extract(name, calls(name, json))).toEqual([
      ['my_func', '{"arg1": "hello", "arg2": 42, "arg3": true}'],
    ]);
  });

  test.each([...names, 'glm4_moe', 'minimax2'])('%s finds nothing in an answer, and never fails', (name) => {
    expect(extract(name, 'This is a regular response without tool calls.')).toBeNull();
    const piece = fc.constantFrom(
      '<tool_call>',
      '</tool_call>',
      '<|tool_call_start|>[',
      'f(',
      'a=',
      '"',
      '\\',
      '{',
      '}',
      ']',
      ')',
      '<|tool_call_end|>',
      'Action: x',
      'Action Input: ',
      '\n',
      '1e',
      '<function=x>',
      '<|tool_call>call:',
      '<tool_call|>',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(piece, fc.string())), (parts) => {
        toolFormat(name).extractCalls(parts.join(''));
      }),
      { numRuns: 50 },
    );
  });
});

describe('bad tools', () => {
  test.each(['', '{', '7', '{"a":1}', '[7]', '[{"type":"function","function":7}]'])('tools %s', (json) => {
    expect(() => tools('default', json)).toThrow(FactoryError);
  });
  test.each(['', '7', '[7]', '{"name":"x"}', '{"name":7,"arguments":{}}', 'text'])('call %s', (json) => {
    expect(() => calls('qwen', json)).toThrow(FactoryError);
  });
  test('arguments that are no object', () => {
    expect(() => calls('lfm2', '{"name":"x","arguments":"y"}')).toThrow(/object/);
    expect(calls('qwen', '{"name":"x","arguments":"y"}')).toContain('"arguments": "y"');
  });
  test('an unknown format says what is close', () => {
    expect(() => toolFormat('qwem')).toThrow(
      expect.objectContaining({ code: 'TOKENS_BAD_TOOLS', remedy: expect.stringContaining('qwen') }),
    );
  });
});
