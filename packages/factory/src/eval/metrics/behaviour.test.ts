import { describe, expect, it } from 'vitest';
import type { MetricName } from '#factory/records/metric-names.ts';
import type { PredictionRow } from '#factory/records/scorecard.ts';
import { METRICS } from './registry.ts';
import { dominantScript } from './scripts.ts';

const row = (prediction: string, reference = '', prompt = ''): PredictionRow => ({
  id: 'r0',
  prompt,
  prediction,
  references: [reference],
});
const one = (name: MetricName, given: PredictionRow, options = {}): number =>
  METRICS[name].prepare([given], options, {})[0].perItem![0];

describe('refusal_rate', () => {
  it.each([
    "I'm sorry, but I can't help with that.",
    'I cannot provide medical advice.',
    'As an AI language model, I have no opinions.',
    '抱歉，我无法回答这个问题。',
    '对不起，这超出了我的能力。',
    '作为一个人工智能助手，我没有情感。',
    'Unfortunately we will not be able to do that.',
  ])('sees %j', (text) => expect(one('refusal_rate', row(text))).toBe(1));

  it.each([
    'Your refund arrives in three days.',
    "I can't wait to see it!",
    '退款将在三个工作日内到账。',
    '您无法登录时，请重置密码。',
    `${'Here is the text. '.repeat(15)}I'm sorry, he said.`,
    '',
  ])('does not see %j', (text) => expect(one('refusal_rate', row(text))).toBe(0));

  it('takes further patterns, and refuses broken ones', () => {
    expect(one('refusal_rate', row('Please ask a human.'), { patterns: ['^please ask a human'] })).toBe(1);
    expect(() => one('refusal_rate', row('x'), { patterns: ['('] })).toThrow(/no regular expression/);
  });
});

describe('dominantScript', () => {
  it.each([
    ['你好，请问如何退款？', 'Han'],
    ['我想 return 这个 product', 'Han'],
    ['请用 internationalization 库', 'Han'],
    ['How do I request a refund?', 'Latin'],
    ['Straße und Möhre', 'Latin'],
    ['返金はいつ届きますか', 'Kana'],
    ['환불은 언제', 'Hangul'],
    ['Когда вернут деньги', 'Cyrillic'],
    ['متى يصل', 'Arabic'],
    ['你好\n```python\nprint("hello world and more words")\n```', 'Han'],
    ['12345 !?', null],
  ])('of %j is %s', (text, script) => expect(dominantScript(text)).toBe(script));
});

describe('language_match', () => {
  it('compares with a language, the prompt or the reference', () => {
    expect(one('language_match', row('退款成功'), { language: 'zh' })).toBe(1);
    expect(one('language_match', row('Refunded'), { language: 'zh' })).toBe(0);
    expect(one('language_match', row('Refunded', '', 'Where is my money?'), { language: 'prompt' })).toBe(1);
    expect(one('language_match', row('Refunded', '已退款'), { language: 'reference' })).toBe(0);
    const [silent] = METRICS.language_match.prepare([row('42')], { language: 'en' }, {});
    expect(silent).toMatchObject({ perItem: [0], invalid: 1, variant: 'en' });
    expect(() => one('language_match', row('a', '', '42'), { language: 'prompt' })).toThrow(
      /letters in the prompt/,
    );
    expect(() => one('language_match', row('a'), { language: 'tlh' })).toThrow(/language/);
  });
});

describe('length_ratio', () => {
  it('counts code points or words', () => {
    expect(one('length_ratio@chars', row('𠀀漢a', '六個字的文本'))).toBe(0.5);
    expect(one('length_ratio@words', row('one two  three', 'one two'))).toBe(1.5);
    expect(() => one('length_ratio@chars', row('a', ''))).toThrow(/not empty in row r0/);
  });
});
