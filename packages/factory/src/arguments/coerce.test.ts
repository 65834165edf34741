import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { coerce } from './coerce.ts';
import { bool, choice, dict, float, int, list, numbers, optional, pathOrBool, string, texts } from './key.ts';

const value = (type: Parameters<typeof coerce>[0], raw: unknown, text?: string) => {
  const read = coerce(type, raw, text);
  return read.ok ? read.value : read.problem;
};

describe('coerce', () => {
  it.each([
    ['true', true],
    ['True', true],
    ['yes', true],
    ['1', true],
    [1, true],
    ['on', true],
    ['False', false],
    ['n', false],
    [0, false],
    ['off', false],
  ])('reads the boolean word %s', (raw, expected) => expect(value(bool, raw)).toBe(expected));

  it.each([
    ['1e-4', 1e-4],
    ['5E-5', 5e-5],
    ['-3.5', -3.5],
    ['.5', 0.5],
    ['1_000', 1000],
    [3, 3],
  ])('reads the number %s', (raw, expected) => expect(value(float(), raw)).toBe(expected));

  it.each(['nan', 'inf', '0x10', '1e999', '', 'abc', '1,5', true, [], {}])('refuses the number %s', (raw) =>
    expect(value(float(), raw)).toMatch(/^expected a number, found/),
  );

  it('keeps integers whole, safe and in range', () => {
    expect(value(int(1), '8')).toBe(8);
    expect(value(int(1), 8.0)).toBe(8);
    expect(value(int(1), '8.5')).toMatch(/expected a whole number, at least 1, found "8.5"/);
    expect(value(int(1), 0)).toMatch(/at least 1/);
    expect(value(int(), '9007199254740993')).toMatch(/expected a whole number/);
    expect(value(float({ min: 0, exclusiveMin: true }), 0)).toMatch(/above 0/);
  });

  it('reads lists from commas, YAML and JSON', () => {
    expect(value(list, 'q_proj, v_proj,')).toEqual(['q_proj', 'v_proj']);
    expect(value(list, ['a', 1])).toEqual(['a', '1']);
    expect(value(list, '["a", "b"]')).toEqual(['a', 'b']);
    expect(value(list, "[a, 'b']")).toEqual(['a', 'b']);
    expect(value(texts, 'one, still one')).toEqual(['one, still one']);
    expect(value(texts, '["one", "two, too"]')).toEqual(['one', 'two, too']);
    expect(value(numbers, '0.5,0.5')).toEqual([0.5, 0.5]);
    expect(value(list, [{}])).toMatch(/a comma list/);
  });

  it('keeps a text as the file spells it', () => {
    expect(value(string, 1.1, '1.10')).toBe('1.10');
    expect(value(string, 'None')).toBe('None');
    expect(value(optional(string), 'None')).toBeNull();
    expect(value(string, null)).toMatch(/found nothing/);
  });

  it('reads choices, dicts, and paths that may be booleans', () => {
    expect(value(choice('no', 'steps'), false)).toBe('no');
    expect(value(choice('linear', 'cosine'), 'COSINE')).toBe('cosine');
    expect(value(choice('no', 'all', 'non_padding'), 'True')).toBe('all');
    expect(value(choice('a', 'b'), 'c')).toMatch(/one of a, b, found "c"/);
    expect(value(dict, '{"num_cycles": 2}')).toEqual({ num_cycles: 2 });
    expect(value(dict, '[1]')).toMatch(/a JSON object/);
    expect(value(pathOrBool, 'true')).toBe(true);
    expect(value(pathOrBool, 'out/checkpoint-10')).toBe('out/checkpoint-10');
  });

  it('never throws', () => {
    const types = [
      bool,
      int(0, 9),
      float(),
      string,
      choice('a', 'no', 'all'),
      list,
      texts,
      numbers,
      dict,
      pathOrBool,
    ];
    fc.assert(
      fc.property(fc.constantFrom(...types), fc.anything(), (type, raw) => {
        expect(typeof coerce(type, raw).ok).toBe('boolean');
      }),
    );
  });
});
