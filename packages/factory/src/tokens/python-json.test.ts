import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dumpPythonJson, parsePythonJson, pythonFloat, pythonStr } from './python-json.ts';

const again = (text: string, indent?: number) => {
  const value = parsePythonJson(text);
  return value === undefined ? undefined : dumpPythonJson(value, indent);
};

// Right sides are what CPython 3.11's json.dumps(json.loads(text), ensure_ascii=False) prints.
describe('Python spelling', () => {
  test.each([
    ['{"b":1,"a":2,"10":3,"9":4}', '{"b": 1, "a": 2, "10": 3, "9": 4}'],
    [
      '[1.0,1,-0,-0.0,1e5,1E-5,1e16,123456789012345680.0,0.0001,12345678901234567890]',
      '[1.0, 1, 0, -0.0, 100000.0, 1e-05, 1e+16, 1.2345678901234568e+17, 0.0001, 12345678901234567890]',
    ],
    ['"\\u4f60\\ud83d\\ude00\\/\\u007f\\u0001"', '"你😀/\u007f\\u0001"'],
    ['"\\ud800"', '"\ud800"'],
    ['"\\\\ud800"', '"\\\\ud800"'],
    ['[NaN,Infinity,-Infinity,1e999]', '[NaN, Infinity, -Infinity, Infinity]'],
    ['{"a":1,"b":2,"a":3}', '{"a": 3, "b": 2}'],
    [' [ ] ', '[]'],
    ['{"a":[{},null,true,false]}', '{"a": [{}, null, true, false]}'],
    ['"\\"\\b\\f\\n\\r\\t\\\\"', '"\\"\\b\\f\\n\\r\\t\\\\"'],
    ['{"__proto__":{"x":1}}', '{"__proto__": {"x": 1}}'],
  ])('%s', (text, expected) => {
    expect(again(text)).toBe(expected);
  });

  test('indents by four', () => {
    expect(again('{"a":[1,{"b":[]}],"c":{}}', 4)).toBe(
      '{\n    "a": [\n        1,\n        {\n            "b": []\n        }\n    ],\n    "c": {}\n}',
    );
  });

  test.each([
    [0.1, '0.1'],
    [1e22, '1e+22'],
    [5e-324, '5e-324'],
    [1.5e300, '1.5e+300'],
    [-123.456, '-123.456'],
    [9999999999999998, '9999999999999998.0'],
    [100, '100.0'],
  ])('float %d', (value, expected) => {
    expect(pythonFloat(value)).toBe(expected);
  });

  test('str and repr', () => {
    expect(pythonStr('x')).toBe('x');
    expect(pythonStr(parsePythonJson('["it\'s","q\\"",null,true,1.50,{"a":"\\n"}]') ?? null)).toBe(
      "[\"it's\", 'q\"', None, True, 1.5, {'a': '\\n'}]",
    );
  });
});

describe('hostile text', () => {
  test.each([
    '',
    '{',
    '[1,]',
    '{"a":1,}',
    "{'a':1}",
    '01',
    '1.',
    '.5',
    '+1',
    '"\n"',
    '"\\x41"',
    '"\\u12"',
    '[1 2]',
    '{"a" 1}',
    'nul',
    '1 2',
    '\u00a01',
    '"',
    '['.repeat(100_000),
    '{"a":'.repeat(100_000),
  ])('%#: is refused', (text) => {
    expect(parsePythonJson(text)).toBeUndefined();
  });

  test('agrees with JSON.parse on what JSON is', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        const value = again(text);
        expect(value).toBeDefined();
        expect(JSON.parse(value as string)).toEqual(JSON.parse(text));
        expect(again(value as string)).toBe(value);
      }),
    );
    fc.assert(
      fc.property(fc.string(), (text) => {
        let valid = true;
        try {
          JSON.parse(text);
        } catch {
          valid = /^\s*-?(NaN|Infinity)\s*$/.test(text);
        }
        expect(parsePythonJson(text) !== undefined).toBe(valid);
      }),
    );
  });
});
