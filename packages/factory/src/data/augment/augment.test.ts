import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LIMITS } from '#factory/records/gate-limits.ts';
import { seededRandom } from '#factory/records/seeded-random.ts';
import { failingLabels } from './choose-parents.ts';
import { applyCaps, type Candidate, checkVariant, similarity } from './gates.ts';
import { homophones } from './homophones.ts';
import { mask, numbersOf } from './mask.ts';
import { chineseNumeral, otherNumbers } from './numerals.ts';
import { TEXT_METHODS } from './text-variants.ts';

const random = () => seededRandom('test');

describe('mask', () => {
  test('hides what must survive and gives it back', () => {
    const text =
      '请把 {name} 的订单 A12 的 99.5 元退到 a.b@c.com，见 https://x.cn/a?b=1，运行 `ls -l`，产品 Pro Max';
    const masked = mask(text, ['Pro Max']);
    for (const kept of ['{name}', '99.5', 'a.b@c.com', 'https://x.cn/a?b=1', '`ls -l`', 'Pro Max'])
      expect(masked.text).not.toContain(kept);
    expect(masked.restore(masked.text)).toBe(text);
  });

  test('refuses lost, doubled and invented marks', () => {
    const { restore } = mask('pay 5 to 7');
    expect(restore('⟦2⟧ gets ⟦1⟧')).toBe('7 gets 5');
    for (const wrong of ['⟦1⟧', '⟦1⟧ ⟦1⟧ ⟦2⟧', '⟦1⟧ ⟦2⟧ ⟦3⟧', '⟦1⟧ ⟦2⟧ ⟧']) expect(restore(wrong)).toBeNull();
  });

  test('comes back from any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 80 }), (text) => {
        const open = text.replaceAll('⟦', '[').replaceAll('⟧', ']');
        expect(mask(text).restore(mask(text).text)).toBe(open);
      }),
    );
  });
});

describe('variants without a model', () => {
  test('script goes both ways, by words', () => {
    expect(TEXT_METHODS.script('请问如何退款到信用卡？', random())).toBe('請問如何退款到信用卡？');
    expect(TEXT_METHODS.script('請問頭髮', random())).toBe('请问头发');
    expect(TEXT_METHODS.script('how are you', random())).toBeNull();
  });

  test('a typo changes one word of four letters or more, and no address, number or code', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const text = 'see https://example.com/page for `code` or call 12345 about transfer';
        const wrong = TEXT_METHODS.typo(text, seededRandom(seed))!;
        expect(wrong).not.toBe(text);
        for (const kept of ['https://example.com/page', '`code`', '12345']) expect(wrong).toContain(kept);
        expect(Math.abs(wrong.length - text.length)).toBeLessThanOrEqual(1);
        expect(wrong.split(' ').filter((word, i) => word !== text.split(' ')[i])).toHaveLength(1);
      }),
      { numRuns: 50 },
    );
    expect(TEXT_METHODS.typo('a bc def', random())).toBeNull();
  });

  test('a homophone sounds the same', () => {
    expect(homophones('再')).toContain('在');
    expect(homophones('银')).not.toContain('银');
    const wrong = TEXT_METHODS.homophone('怎么申请退款', random())!;
    expect([...wrong].filter((c, i) => c !== [...'怎么申请退款'][i])).toHaveLength(1);
    expect(TEXT_METHODS.homophone('refund', random())).toBeNull();
  });

  test('width goes both ways and keeps the numbers', () => {
    expect(TEXT_METHODS.width('ＡＢ１２，好', random())).toBe('AB12,好');
    expect(TEXT_METHODS.width('卡 VIP 不行', random())).toBe('卡 ＶＩＰ 不行');
    expect(numbersOf('１２ 元 1,200')).toEqual(['12', '1200']);
  });

  test.each([
    [0, '零'],
    [10, '十'],
    [12, '十二'],
    [20, '二十'],
    [105, '一百零五'],
    [110, '一百一十'],
    [1001, '一千零一'],
    [9999, '九千九百九十九'],
  ])('%i is read %s', (n, text) => expect(chineseNumeral(n)).toBe(text));

  test.each<[string, string | null]>([
    ['3天内到账', '三天内到账'],
    ['within 3 days', 'within three days'],
    ['pay 12,000 now', 'pay 12000 now'],
    ['pay 12000 now', 'pay 12,000 now'],
    ['code 007 at 10:30, v1.2, 50%', null],
    ['none', null],
  ])('%s with other numbers', (text, expected) => expect(otherNumbers(text)).toBe(expected));
});

describe('gates', () => {
  test('look at numbers, names, language and similarity', () => {
    const text = 'please refund 20 dollars to my card';
    const check = (variant: string, names: string[] = []) =>
      checkVariant(text, variant, 'paraphrase', names, LIMITS);
    expect(check('can you give 20 dollars back to my card')).toBeNull();
    expect(check('can you give 30 dollars back to my card')).toBe('numbers');
    expect(check('can you give 20 dollars back please', ['card'])).toBe('names');
    expect(check('请把20美元退到我的卡上')).toBe('language');
    expect(check(`${text}!`)).toBe('similarity');
    expect(check('I want 20')).toBe('similarity');
    expect(check(text)).toBe('same');
    expect(similarity('abc', 'abc')).toBe(1);
  });

  test('caps hold for any order of candidates: per parent, and the share of a label', () => {
    const arbitrary = fc.array(
      fc.record({ parent: fc.integer({ min: 0, max: 9 }), label: fc.constantFrom('a', 'b') }),
      { maxLength: 120 },
    );
    fc.assert(
      fc.property(arbitrary, (list) => {
        const candidates: Candidate[] = list.map((one, i) => ({ ...one, text: `text ${i}`, gate: null }));
        const real = new Map([['a', 8]]);
        applyCaps(candidates, [], real, null, { ...LIMITS, perParent: 3 });
        const taken = candidates.filter(({ gate }) => gate === null);
        for (let parent = 0; parent < 10; parent++)
          expect(taken.filter((one) => one.parent === parent).length).toBeLessThanOrEqual(3);
        expect(taken.filter(({ label }) => label === 'a').length).toBeLessThanOrEqual(8);
        expect(taken.filter(({ label }) => label === 'b')).toHaveLength(0);
      }),
    );
  });

  test('failing labels are those that are wrong more often than all', () => {
    const rows = (label: string, wrong: number, n: number) =>
      Array.from({ length: n }, (_, i) => ({ label, isRight: i >= wrong }));
    expect(failingLabels([...rows('a', 5, 10), ...rows('b', 1, 10), ...rows('c', 0, 10)])).toEqual([
      { label: 'a', wrong: 5, rows: 10 },
    ]);
  });
});
