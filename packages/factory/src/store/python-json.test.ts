import fc from 'fast-check';
import { expect, test } from 'vitest';
import { pythonJson, pythonNumber } from './python-json.ts';

// Values printed by CPython 3.12's repr.
test.each([
  [0, '0.0'],
  [-0, '-0.0'],
  [1, '1.0'],
  [0.1, '0.1'],
  [0.0001, '0.0001'],
  [0.00005, '5e-05'],
  [1.5e-7, '1.5e-07'],
  [1e-10, '1e-10'],
  [123456789012345680, '1.2345678901234568e+17'],
  [1e15, '1000000000000000.0'],
  [1e16, '1e+16'],
  [1e22, '1e+22'],
  [5e-324, '5e-324'],
  [1.7976931348623157e308, '1.7976931348623157e+308'],
])('the float %s is %s', (value, text) => {
  expect(pythonNumber(value, true)).toBe(text);
});

test('ints, what is not a number, escapes and empty containers', () => {
  const style = { indent: null, sortKeys: true, floatKeys: new Set(['x']) };
  expect(pythonJson({ b: 3, x: 3, a: Number.NaN, c: [], d: {}, e: undefined, é: '你"\n' }, style)).toBe(
    '{"a": null, "b": 3, "c": [], "d": {}, "x": 3.0, "\\u00e9": "\\u4f60\\"\\n"}',
  );
});

test('law: the text is JSON with the same value', () => {
  const law = fc.property(fc.jsonValue(), fc.constantFrom(null, 2, 4), (value, indent) => {
    const text = pythonJson(value, { indent, sortKeys: true, floatKeys: new Set() });
    // -0 is written as the int 0.
    expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
  });
  fc.assert(law);
});
