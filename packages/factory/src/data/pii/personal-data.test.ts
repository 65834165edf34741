import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CleanRow } from '#factory/records/clean-row.ts';
import { assetPath } from '../../../../../test/assets.ts';
import { passesIban, passesLuhn, residentIdCheck, usccCheck } from './checksums.ts';
import { ENTITY_KINDS } from './entity.ts';
import { findEntities } from './find-entities.ts';
import bilingual from './fixtures/bilingual.json' with { type: 'json' };
import { makeBilingual } from './fixtures/make-bilingual.ts';
import { measure, readBilingual, readPresidio } from './fixtures/measure.ts';
import measured from './fixtures/measured.json' with { type: 'json' };
import { personalDataStep } from './personal-data-step.ts';

const ALL = { kinds: new Set(ENTITY_KINDS), countries: ['CN', 'US'] };
const find = (text: string) =>
  findEntities(text, ALL).map(({ kind, start, end }) => `${kind} ${text.slice(start, end)}`);

const row = (...texts: string[]): CleanRow => ({
  kind: 'sft',
  system: '',
  tools: '',
  prompt: texts.slice(0, -1).map((content) => ({ role: 'user', content })),
  response: [{ role: 'assistant', content: texts.at(-1)! }],
  extra: {},
});
const DEFAULTS = Object.fromEntries(
  Object.entries(personalDataStep.options).map(([name, spec]) => [name, spec.default]),
);
function mask(target: CleanRow, options: Record<string, string | string[]> = {}) {
  const scores: Record<string, number> = {};
  const edits: string[] = [];
  const masked = personalDataStep.create({ ...DEFAULTS, ...options })(target, {
    score: (name, value) => {
      scores[name] = value;
    },
    label: () => {},
    edited: (reason, count) => edits.push(`${reason} ${count}`),
  });
  return {
    texts: [...masked.prompt, ...masked.response].map(({ content }) => content),
    masked,
    scores,
    edits,
  };
}

describe('personal data', () => {
  it('is proved by check digits', () => {
    for (const id of ['11010519491231002X', '110101199003074573', '440524188001010014'])
      expect(residentIdCheck(id)).toBe(id[17]);
    expect(residentIdCheck('110101199003074578')).not.toBe('8');
    for (const card of ['4111111111111111', '79927398713', '6222021234567890128'])
      expect(passesLuhn(card)).toBe(true);
    expect(passesLuhn('6222021234567890123')).toBe(false);
    expect(usccCheck('91350100M000100Y43')).toBe('3');
    expect(passesIban('GB82WEST12345698765432')).toBe(true);
    expect(passesIban('GB83WEST12345698765432')).toBe(false);
  });

  it('is found beside Han characters and in their forms', () => {
    expect(find('电话13812345678，邮箱foo@bar.com谢谢')).toEqual(['phone 13812345678', 'email foo@bar.com']);
    expect(find('Tel: +86 138 1234 5678')).toEqual(['phone +86 138 1234 5678']);
    expect(find('Call 010-62345678 or 0755-86013388 or 400-800-1234')).toEqual([
      ...['phone 010-62345678', 'phone 0755-86013388', 'phone 400-800-1234'],
    ]);
    expect(find('见https://a.com/x。车牌京A·12345，沪AD12345')).toEqual([
      ...['url https://a.com/x', 'plate 京A·12345', 'plate 沪AD12345'],
    ]);
    expect(find('身份证11010519491231002X和110101199003074578')).toEqual(['resident_id 11010519491231002X']);
    expect(find('我叫欧阳娜，my name is Mary Ann.')).toEqual(['name 欧阳娜', 'name Mary Ann']);
    expect(find('key = "sk-abcdEFGH1234ijklMNOP5678qrst"')).toEqual([
      'api_key sk-abcdEFGH1234ijklMNOP5678qrst',
    ]);
  });

  it('is not seen in look-alikes', () => {
    for (const text of [
      ...[
        'order 1234567890',
        '1.2345678',
        '2024-01-15 10:00',
        'v1.2.3.4',
        'std::vector<int>::iterator',
        '10:20:30',
      ],
      ...[
        'id 123-4567',
        'user@localhost',
        'a@b.notatld',
        '3.14159265',
        'password: hunter',
        'api_key: YOUR_KEY_123',
      ],
      ...['订单12345678901234567', '127.0.0.1', 'support@example.com', 'sum(1 2 3 4 5 6 7 8 9)'],
    ])
      expect(find(text), text).toEqual([]);
  });

  it('is measured as the documents say', () => {
    expect(makeBilingual()).toEqual(bilingual);
    expect(measure(readBilingual())).toEqual(measured.bilingual);
  });

  const folder = assetPath('data/presidio_pii');
  it.skipIf(folder === null)('is measured as the documents say on presidio_pii', () => {
    expect(measure(readPresidio(folder!))).toEqual(measured.presidio_pii);
  });
});

describe('the step personal-data', () => {
  it('gives the same thing the same surrogate in a row, and another in another row', () => {
    const first = mask(row('我的号码 138 1234 5678', '好的，13812345678 已登记'));
    const numbers = first.texts.map((text) => text.replace(/\D/g, ''));
    expect(numbers[0]).toBe(numbers[1]);
    expect(first.texts[0]).toMatch(/^我的号码 100 \d{4} \d{4}$/);
    expect(first.edits).toEqual(['phone_masked 2']);
    expect(first.scores).toEqual({ found: 2, left: 0 });
    const second = mask(row('13812345678', 'x'));
    expect(second.texts[0]).not.toBe(numbers[0]);
  });

  it('gives the same surrogate in the whole project under one key', () => {
    const project = { consistency: 'project', key: 'a' };
    const [one] = mask(row('13812345678', 'a'), project).texts;
    expect(mask(row('13812345678', 'b'), project).texts[0]).toBe(one);
    expect(mask(row('13812345678', 'b'), { consistency: 'project', key: 'b' }).texts[0]).not.toBe(one);
  });

  it('writes tokens, or only counts', () => {
    expect(mask(row('a@b.com c@d.com', 'A@B.com'), { mask: 'token' }).texts).toEqual([
      ...['[EMAIL_1] [EMAIL_2]', '[EMAIL_1]'],
    ]);
    const report = mask(row('a@b.com', 'x'), { mask: 'report' });
    expect(report.scores).toEqual({ found: 1, left: 1 });
    expect(report.texts[0]).toBe('a@b.com');
  });

  it('keeps JSON valid', () => {
    const json =
      '{"phone": 13812345678, "card": "4111 1111 1111 1111", "n": 6222021234567890128, "ip": "8.8.4.4"}';
    const [text] = mask(row(json, 'x')).texts;
    expect(text).not.toContain('1111 1111');
    expect(Object.keys(JSON.parse(text!))).toEqual(['phone', 'card', 'n', 'ip']);
  });

  it('masks once and for all', () => {
    const texts = readBilingual().map(({ text }) => text);
    for (const text of texts) {
      const once = mask(row(text, 'x'), { kinds: [...ENTITY_KINDS] });
      const twice = mask(once.masked, { kinds: [...ENTITY_KINDS] });
      expect(twice.texts[0], text).toBe(once.texts[0]);
    }
  });

  it('holds on hostile text', () => {
    for (const unit of [
      '1',
      '1 ',
      '1-',
      'a@',
      'a.',
      '::',
      '1.',
      '(',
      '+1',
      'sk-',
      'http://',
      'AB12 ',
      'token=',
    ])
      find(unit.repeat(8_000 / unit.length));
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => mask(row(text, text)).texts.length === 2));
  }, 20_000);
});
