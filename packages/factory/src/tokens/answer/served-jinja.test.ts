// Chat templates that came with a model: rendered as they are, and their calls read.
import { describe, expect, test } from 'vitest';
import type { ChatAsk } from '#factory/records/served-model.ts';
import { characterTokenizer } from '../fixtures/character-tokenizer.ts';
import { servedJinja } from './served-jinja.ts';

const CHATML = `{%- if tools %}{{- '<|im_start|>system\\n<tools>' }}{%- for tool in tools %}{{- tool | tojson }}{%- endfor %}{{- '</tools> <tool_call>{"name": n, "arguments": a}</tool_call><|im_end|>\\n' }}{%- endif %}
{%- for message in messages %}
{%- if loop.index0 > 0 and message.role == 'user' and messages[loop.index0 - 1].role == 'user' %}{{ raise_exception('two questions') }}{%- endif %}
{{- '<|im_start|>' + message.role + '\\n' + message.content }}
{%- for call in message.tool_calls or [] %}{{- '<tool_call>' + call.function.name + (call.function.arguments | tojson) + '</tool_call>' }}{%- endfor %}
{{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- if enable_thinking is defined and not enable_thinking %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- else %}{{- '<think>\\n' }}{%- endif %}{%- endif %}`;

const tokenizer = characterTokenizer(['<|im_start|>', '<|im_end|>', '<tool_call>'], { chatTemplate: CHATML });
const template = servedJinja({ tokenizer, stopIds: [7], date: '26 Jul 2024' });

const ask = (change: Partial<ChatAsk> = {}): ChatAsk => ({
  messages: [{ role: 'user', content: 'Hi', toolCalls: [], toolCallId: null }],
  tools: [],
  toolChoice: 'auto',
  parallelToolCalls: true,
  format: { kind: 'text' },
  sampling: {} as ChatAsk['sampling'],
  ...change,
});
const tools = [
  { name: 'clock', description: '', parameters: { type: 'object' } },
  { name: 'search', description: 'x', parameters: { type: 'object', properties: { q: { type: 'string' } } } },
];
const shown = (change?: Partial<ChatAsk>) => tokenizer.decode(template.prepare(ask(change)).prompt);

describe('the prompt', () => {
  test('is what the template writes, calls and tools too', () => {
    expect(shown()).toBe('<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\n');
    const call = { id: 'c', name: 'clock', arguments: '{"a": 1}' };
    const text = shown({
      tools,
      messages: [
        ...ask().messages,
        { role: 'assistant', content: '', toolCalls: [call], toolCallId: null },
        { role: 'tool', content: '12', toolCalls: [], toolCallId: 'c' },
      ],
    });
    expect(text).toContain('<tool_call>clock{"a": 1}</tool_call><|im_end|>\n<|im_start|>tool\n12<|im_end|>');
    expect(text).toContain('<tools>{"type": "function", "function": {"name": "clock", "parameters"');
  });

  test('an answer that is restricted has no thoughts', () => {
    expect(shown({ format: { kind: 'json' } }).endsWith('assistant\n<think>\n\n</think>\n\n')).toBe(true);
  });

  test('what the template refuses is refused', () => {
    const [one] = ask().messages;
    expect(() => shown({ messages: [one!, one!] })).toThrow(
      expect.objectContaining({ code: 'SERVE_ASK', message: expect.stringContaining('two questions') }),
    );
  });
});

describe('the answer', () => {
  test('begins with thoughts that the prompt has opened', () => {
    const { reader, markers } = template.prepare(ask({ tools }));
    expect([...markers.values()]).toEqual(['<tool_call>']);
    expect(reader.isThinking).toBe(true);
    const parts = reader.push(
      'well\n</think>\n\nSo<tool_call>{"name": "clock", "arguments": {}}</tool_call>',
    );
    expect([...parts, ...reader.end()]).toEqual([
      { kind: 'reasoning', text: 'well' },
      { kind: 'text', text: 'So' },
      { kind: 'call', index: 0, name: 'clock', arguments: '' },
      { kind: 'call', index: 0, name: null, arguments: '{}' },
    ]);
  });

  test('is made to be a call', () => {
    const required = template.prepare(ask({ tools, toolChoice: 'required' }));
    expect(tokenizer.decode(required.prompt).endsWith('</think>\n\n<tool_call>\n')).toBe(true);
    expect(required.format).toMatchObject({
      kind: 'json_schema',
      schema: {
        oneOf: [
          { properties: { name: { const: 'clock' } } },
          { properties: { name: { const: 'search' }, arguments: tools[1]!.parameters } },
        ],
      },
    });
    const named = template.prepare(ask({ tools, toolChoice: { name: 'search' } }));
    expect(named.format).toMatchObject({ schema: { properties: { name: { const: 'search' } } } });
    expect([...named.reader.push('{"name": "search", "arguments": {"q": "x"}}')].at(-1)).toMatchObject({
      arguments: '{"q": "x"}',
    });
  });

  test.each<[Partial<ChatAsk>, RegExp]>([
    [{ toolChoice: 'required' }, /there are no tools/],
    [{ tools, toolChoice: { name: 'other' } }, /one of the tools clock, search, found "other"/],
    [{ tools, format: { kind: 'json' } }, /exclude each other/],
  ])('%o is refused', (change, why) => {
    expect(() => template.prepare(ask(change))).toThrow(why);
  });

  test('tools are refused where the template knows none', () => {
    const plain = characterTokenizer(['<|im_end|>'], {
      chatTemplate: "{% for message in messages %}{{ message.content + '<|im_end|>' }}{% endfor %}",
    });
    const own = servedJinja({ tokenizer: plain, stopIds: [], date: '' });
    expect(own.canCall).toBe(false);
    expect(() => own.prepare(ask({ tools }))).toThrow(/cannot be read for calls/);
    expect(plain.decode(own.prepare(ask({ tools, toolChoice: 'none' })).prompt)).toBe('Hi<|im_end|>');
  });
});
