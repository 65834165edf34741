import { describe, expect, it } from 'vitest';
import { detectLanguage } from './detect-language.ts';

describe('language', () => {
  it('is told by script, by words, then by the model', () => {
    const cases: [string, string][] = [
      ['你好，请问如何退款？', 'zh'],
      ['退款', 'zh'],
      ['請問如何申請退款？', 'zh'],
      ['How do I request a refund?', 'en'],
      ['我想 return 这个 product', 'zh'],
      ['これはテストです。', 'ja'],
      ['한국어로 답해 주세요', 'ko'],
      ['Ich möchte gerne mein Geld zurückbekommen, bitte.', 'de'],
      ['Je voudrais un remboursement, s’il vous plaît.', 'fr'],
      ['Где находится ближайшая станция метро?', 'ru'],
      ['12345', ''],
      ['', ''],
      ['```py\nfor x in y: print(x)\n```\n请解释这段代码', 'zh'],
    ];
    for (const [text, language] of cases) expect(detectLanguage(text).language, text).toBe(language);
  });

  it('does not claim to know single words', () => {
    for (const text of ['hello', 'OK', 'Bonjour', 'x = y'])
      expect(['', 'en', 'fr']).toContain(detectLanguage(text).language);
  });
});
