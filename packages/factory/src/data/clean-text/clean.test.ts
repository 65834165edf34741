import { describe, expect, it } from 'vitest';
import { type CleanTextOptions, cleaner } from './clean.ts';
import { cleanTextStep } from './clean-text-step.ts';
import fixture from './fixtures/clean-text-cases.json' with { type: 'json' };
import documented from './fixtures/documented-cases.json' with { type: 'json' };
import {
  replaceCode,
  replaceCurrencySymbols,
  replaceEmails,
  replaceFilePaths,
  replaceIpAddresses,
  replaceNumbers,
  replacePhoneNumbers,
  replacePunctuation,
  replaceUrls,
} from './replace.ts';

const SEED: Partial<CleanTextOptions> = {
  ...{ fix_unicode: true, to_ascii: true, lower: true, no_line_breaks: true },
  ...{ no_urls: true, no_emails: true, no_phone_numbers: true },
};

describe('clean(), against clean-text 0.7.1', () => {
  it('gives the same for seeded texts and options', () => {
    expect(fixture.cases.length).toBeGreaterThanOrEqual(500);
    for (const [text, options, expected] of fixture.cases as [string, object | 'seed', string][]) {
      const given = options === 'seed' ? SEED : (options as Partial<CleanTextOptions>);
      expect(cleaner(given)(text), JSON.stringify([text, options])).toBe(expected);
    }
  });

  it('gives the same for the call that the project began with, and for defaults', () => {
    const seed = cleaner(SEED);
    for (const [text, expected] of documented.seed) expect(seed(text!), text).toBe(expected);
    const plain = cleaner({});
    for (const [text, expected] of documented.defaults) expect(plain(text!), text).toBe(expected);
  });

  it('gives the same for single options', () => {
    const cases: [Partial<CleanTextOptions>, string, string][] = [
      [{ no_file_paths: true, no_punct: true }, 'see /etc/nginx/nginx.conf now', 'see <filepath> now'],
      [{ no_urls: true, no_punct: true }, 'go http://a.com/x!', 'go <url>'],
      [{ no_currency_symbols: true }, '$100 and €5', '<cur>100 and <cur>5'],
      [{ no_numbers: true }, '1,000.99 and 3rd', '<number> and <number>rd'],
      [{ no_punct: true, replace_with_punct: ' ' }, "I can't. No, I won't!", 'i can t no i won t'],
      [{ no_emoji: true }, 'hi 😀 there', 'hi there'],
      [{ no_emoji: true, to_ascii: false }, 'hi 😀 there', 'hi there'],
      [{ exceptions: ['My-Case'], no_punct: true }, 'Keep My-Case here', 'keep My-Case here'],
      [{ to_ascii: false }, '你好，世界！', '你好,世界!'],
      [{ lang: 'sv', lower: false }, 'Äpfel ÉÉ ñ Ø å ß þ ç', 'Øpfel ÉÉ n Ø å ss þ c'],
      [{ lang: 'de', lower: false }, 'Äpfel ÉÉ ñ Ø å ß þ ç', 'Äpfel EE n O a ß th c'],
      [{ strip_lines: false }, '  a  \n  b  ', 'a b'],
      [{ keep_two_line_breaks: true }, 'a\n\n\nb\nc', 'a\n\nb\nc'],
    ];
    for (const [options, text, expected] of cases)
      expect(cleaner(options)(text), JSON.stringify(options)).toBe(expected);
    const safe = cleaner({
      ...{ fix_unicode: false, to_ascii: false, lower: false, keep_two_line_breaks: true },
      ...{ no_urls: true, no_emails: true, no_phone_numbers: true },
    });
    expect(safe('你好，世界！电话：13812345678。\n\n邮箱 a@b.com，网址 https://a.com/x 。')).toBe(
      '你好，世界！电话：<PHONE>。\n\n邮箱 <EMAIL>，网址 <URL> 。',
    );
  });
});

describe('single replacements, against clean-text 0.7.1', () => {
  it('finds addresses of pages', () => {
    for (const [text, expected] of documented.urls) expect(replaceUrls(text!, '<URL>'), text).toBe(expected);
  });

  it('finds e-mail addresses', () => {
    for (const text of [
      ...['mustermann@fh-aachen.de', 'mustermann(at)fh-aachen.de', 'm.mustermann<at>fh-aachen.de'],
      ...['m.mustermann[at]fh-aachen.de', 'm.mustermann{at}fh-aachen.de', 'hotbunny1337@test.mail.gg'],
      ...['test@this.really.should.work.com', 'a.b+c@d.co', 'user_name@my-host.org'],
    ])
      expect(replaceEmails(text, '<EMAIL>'), text).toBe('<EMAIL>');
    for (const text of ['mustermann@ fh-aachen.de', 'mustermannatfh-aachen.de', '@test.de', 'hu@.de', 'a@c'])
      expect(replaceEmails(text, '<EMAIL>'), text).toBe(text);
    expect(replaceEmails('中文foo@bar.com中文', '<EMAIL>')).toBe('<EMAIL>中文');
  });

  it('finds phone numbers', () => {
    for (const text of [
      ...[
        '555-123-4567',
        '2404 9099130',
        '02404/9099130',
        '+4924049099130',
        '0160 123456789',
        '+32160 123456789',
      ],
      ...['001-504-724-7835x2050', '13812345678', '138-1234-5678', '400-800-1234', '12345678', '1.2345678'],
    ])
      expect(replacePhoneNumbers(text, 'P'), text).toBe('P');
    for (const text of [
      '95588',
      '010-62345678',
      '0755-86013388',
      '2024-01-15',
      '20240115',
      '电话13812345678',
    ])
      expect(replacePhoneNumbers(text, 'P'), text).toBe(text);
    expect(replacePhoneNumbers('+86 138 1234 5678', 'P')).toBe('P 5678');
  });

  it('finds numbers, addresses of machines, paths, code, currencies and punctuation', () => {
    expect(replaceNumbers('I owe $1,000.99 to 123 peo4ple for 2 +1 reasons.', 'N')).toBe(
      'I owe $N to N peoNple for N N reasons.',
    );
    for (const text of ['2024年', '第3章']) expect(replaceNumbers(text, 'N')).toBe(text);
    for (const text of ['::1', 'fe80::1', '::ffff:192.168.1.1', '2001:db8:85a3::8a2e:370:7334'])
      expect(replaceIpAddresses(text, 'IP')).toBe('IP');
    expect(replaceIpAddresses('1.2.3.4.5 v1.2.3.4 ip=10.0.0.1:80', 'IP')).toBe('IP.5 v1.2.3.4 ip=IP:80');
    for (const text of [
      './src/main.py',
      '~/Documents/notes.md',
      'C:\\Windows\\System32',
      '/etc/nginx/nginx.conf',
    ])
      expect(replaceFilePaths(text, 'F')).toBe('F');
    for (const text of ['hello/world', '/s', '~/x/y, z']) expect(replaceFilePaths(text, 'F')).toBe(text);
    expect(replaceCode("Here:\n```python\nprint('hello')\n```\nEnd `x` and ``.", 'C')).toBe(
      'Here:\nC\nEnd C and ``.',
    );
    expect(replaceCurrencySymbols('$1 zł2 ₹3 ￥4 ¥5 元 $$5', null)).toBe(
      'USD1 PLN2 INR3 ￥4 JPY5 元 USDUSD5',
    );
    expect(replacePunctuation('a，b。c！“d”《e》、f…—g', '')).toBe('abcdefg');
    expect(replacePunctuation('a_b-c$d+e', '')).toBe('abc$d+e');
  });

  it('does not hang on hostile text', () => {
    for (const unit of ['a-', 'a.', 'a@', 'a@a.', '[at]', '1 ', '1,', 'http://', '::', '/a', '`', ':a', '\\'])
      cleaner({ ...SEED, no_numbers: true, no_ip_addresses: true, no_file_paths: true, no_code: true })(
        unit.repeat(6_000 / unit.length),
      );
  }, 20_000);
});

describe('the step clean-text', () => {
  it('says what it destroys', () => {
    const scores: Record<string, number> = {};
    const edits: string[] = [];
    const step = cleanTextStep.create({ ...SEED, exceptions: [] });
    const after = step(
      {
        kind: 'sft',
        system: '',
        tools: '',
        prompt: [{ role: 'user', content: '你好，世界' }],
        response: [{ role: 'assistant', content: 'Use $\\frac{a}{b}$ here' }],
        extra: {},
      },
      {
        score: (name, value) => {
          scores[name] = value;
        },
        label: () => {},
        edited: (reason, count, detail) => edits.push(`${reason} ${count} ${detail}`),
      },
    );
    expect(after.prompt[0]!.content).toBe('ni hao ,shi jie');
    expect(scores).toEqual({ han_lost: 4, code_changed: 1 });
    expect(edits).toEqual(['clean_text_applied 2 "你好，世界" → "ni hao ,shi jie"']);
  });
});
