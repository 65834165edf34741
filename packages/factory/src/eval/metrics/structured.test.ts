import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MetricName } from '#factory/records/metric-names.ts';
import type { PredictionRow } from '#factory/records/scorecard.ts';
import type { JsonSchemaValidator } from './definition.ts';
import { METRICS } from './registry.ts';
import { toolCallsIn } from './tool-calls.ts';

const row = (prediction: string, ...references: string[]): PredictionRow => ({
  id: 'r0',
  prompt: '',
  prediction,
  references,
});
const one = (name: MetricName, prediction: string, reference = '', options = {}, ports = {}) =>
  METRICS[name].prepare([row(prediction, reference)], options, ports)[0];

/** Knows one keyword: the types of required properties. */
const requiredTypes: JsonSchemaValidator = {
  compile: (schema) => (value) => {
    const properties = (schema as { properties: Record<string, { type: string }> }).properties;
    const wrong = Object.entries(properties).find(
      ([key, { type }]) => typeof (value as never)?.[key] !== type,
    );
    return wrong ? `${wrong[0]} is no ${wrong[1].type}` : null;
  },
};

describe('json_valid', () => {
  it('takes JSON and nothing else', () => {
    for (const text of ['{"a": 1}', ' [1]\n', '"x"', 'null'])
      expect(one('json_valid', text).perItem).toEqual([1]);
    for (const text of ['{a: 1}', '{"a": 1} ok', '', "{'a': 1}", '```json\n{}\n```']) {
      expect(one('json_valid', text)).toMatchObject({ perItem: [0], invalid: 1, variant: 'whole' });
    }
  });

  it('looks into a fence when told', () => {
    const fenced = (text: string) => one('json_valid', text, '', { extract: 'fenced' }).perItem![0];
    expect(fenced('```json\n{"a":\n1}\n```')).toBe(1);
    expect(fenced('```\n[]\n```\n')).toBe(1);
    expect(fenced('{}')).toBe(1);
    expect(fenced('Here: ```json\n{}\n```')).toBe(0);
  });
});

describe('json_schema', () => {
  const options = { schema: { properties: { total: { type: 'number' } } } };

  it('asks the validator that is passed in', () => {
    const check = (text: string) => one('json_schema', text, '', options, { jsonSchema: requiredTypes });
    expect(check('{"total": 3}')).toMatchObject({ perItem: [1], invalid: 0 });
    expect(check('{"total": "3"}')).toMatchObject({ perItem: [0], invalid: 0 });
    expect(check('total: 3')).toMatchObject({ perItem: [0], invalid: 1 });
  });

  it('refuses to run without one', () => {
    expect(() => one('json_schema', '{}', '', options)).toThrow(/needs a validator/);
  });
});

describe('tool calls', () => {
  const call = '{"name": "pay", "arguments": {"to": "Li", "items": [{"b": 2, "a": 1}]}}';

  it.each([
    ['tags', `Sure.\n<tool_call>\n${call}\n</tool_call>`],
    ['a plain object', call],
    ['a list', `[${call}]`],
    ['another order of keys', '{"arguments": {"items": [{"a": 1, "b": 2}], "to": "Li"}, "name": "pay"}'],
    [
      'OpenAI',
      JSON.stringify([
        { type: 'function', function: { name: 'pay', arguments: '{"items":[{"a":1,"b":2}],"to":"Li"}' } },
      ]),
    ],
  ])('are the same call as %s', (_, answer) => {
    expect(one('tool_call_match', answer, call).perItem).toEqual([1]);
  });

  it('differ by name, arguments, number and order', () => {
    const other = '{"name": "pay", "arguments": {"to": "Wu"}}';
    expect(one('tool_call_match', other, call).perItem).toEqual([0]);
    expect(one('tool_name_match', other, call).perItem).toEqual([1]);
    expect(one('tool_name_match', '{"name": "refund", "arguments": {}}', call).perItem).toEqual([0]);
    expect(one('tool_call_match', `[${call},${call}]`, call).perItem).toEqual([0]);
    expect(one('tool_call_match', `[${call},${other}]`, `[${other},${call}]`).perItem).toEqual([0]);
  });

  it('are none in text, and a broken one is invalid', () => {
    expect(one('tool_call_match', 'Hello.', 'No tool is needed.').perItem).toEqual([1]);
    expect(one('tool_call_match', '[1] is a footnote', 'text').perItem).toEqual([1]);
    expect(one('tool_call_match', call, 'No tool is needed.').perItem).toEqual([0]);
    expect(one('tool_call_match', '<tool_call>{"name": </tool_call>', call)).toMatchObject({
      perItem: [0],
      invalid: 1,
    });
    expect(one('tool_call_match', '{"name": "pay", "arguments": {"to":', call)).toMatchObject({
      perItem: [0],
      invalid: 1,
    });
    expect(() => one('tool_call_match', 'x', '<tool_call>oops</tool_call>')).toThrow(
      /in row r0, found broken JSON/,
    );
  });

  it('never throw, whatever the answer is', () => {
    fc.assert(fc.property(fc.string(), (text) => void toolCallsIn(`<tool_call>${text}`)));
    fc.assert(fc.property(fc.json(), (text) => void toolCallsIn(text)));
    expect(toolCallsIn('{"name": "f", "arguments": {"__proto__": 1}}')![0].canonical).toContain('__proto__');
  });
});
