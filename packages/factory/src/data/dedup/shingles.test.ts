import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { exactKey } from './exact-key.ts';
import { jaccard, SHINGLES, Shingler } from './shingles.ts';

function similarity(a: string, b: string, options: { characters?: number[]; words?: number[] }): number {
  const shingler = new Shingler({ ...SHINGLES, characters: [2], words: [1], shortUnits: 1, ...options });
  const first = shingler.shingles(a).slice();
  return jaccard(first, shingler.shingles(b));
}

describe('shingles', () => {
  test.each([
    [1, 0.636],
    [2, 0.5],
    [3, 0.333],
    [5, 0.2],
  ])('of %i Han characters give the Jaccard of the reference', (n, expected) => {
    const value = similarity('请问如何申请退款服务', '请问怎么申请退款服务', { characters: [n] });
    expect(value).toBeCloseTo(expected, 3);
  });

  test.each([
    [1, 0.667],
    [2, 0.538],
    [3, 0.385],
    [5, 0.077],
  ])('of %i Han characters, second pair', (n, expected) => {
    const value = similarity('今天天气很好我们去公园', '今天天气不错我们去公园', { characters: [n] });
    expect(value).toBeCloseTo(expected, 3);
  });

  test('of five words: ten words that differ in the last have 5 of 7 in common', () => {
    expect(similarity('a b c d e f g h i j', 'a b c d e f g h i k', { words: [5] })).toBeCloseTo(5 / 7, 12);
  });

  test('do not see case, width, spacing and punctuation', () => {
    expect(similarity('Refund, please: NOW', 'ｒefund please now!', { words: [1, 2] })).toBe(1);
  });

  test('mix scripts: words and characters are units of one sequence', () => {
    const shingler = new Shingler({ ...SHINGLES, characters: [2], words: [1], shortUnits: 1 });
    // 我的 | 的iphone | iphone | 坏了
    expect(shingler.shingles('我的 iPhone 坏了').length).toBe(4);
  });

  test('of a short text are its exact key: C and C++ differ, also without words', () => {
    const shingler = new Shingler();
    const set = (text: string) => [...shingler.shingles(text)];
    expect(set('C++')).toHaveLength(1);
    expect(set('C++')).not.toEqual(set('C'));
    expect(set('？')).not.toEqual(set('!!'));
    expect(set('')).toHaveLength(1);
    expect(set(' Yes ')).toEqual(set('yes'));
  });

  test('are ascending and distinct for any text', () => {
    const shingler = new Shingler();
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        const set = [...shingler.shingles(text)];
        expect(set.length).toBeGreaterThan(0);
        expect(set).toEqual([...new Set(set)].sort((a, b) => a - b));
      }),
    );
  });

  test('the exact key is its own key', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        // Lower case can make new compositions once; from then on nothing moves.
        const key = exactKey(exactKey(text));
        expect(exactKey(key)).toBe(key);
      }),
    );
    expect(exactKey('Ｒefund\n  policy ')).toBe('refund policy');
  });
});
