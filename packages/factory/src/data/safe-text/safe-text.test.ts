import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isAboutMarkup, removeHtmlRemnants } from './html-remnants.ts';
import { cleanSafely, type SafeTextOptions } from './safe-text.ts';
import { segmentsOf } from './segments.ts';

const ALL: SafeTextOptions = { mojibake: true, html: true, controls: true, spaces: true, nfc: true };
const clean = (text: string) => cleanSafely(text, ALL);

describe('sft-safe cleaning of a text', () => {
  it('leaves what people write alone', () => {
    for (const text of [
      '你好，世界！（全角）“引号”‘单’……——《书》',
      'ＬＯＵＤ and Café, İstanbul; ½ cup, 10³ m, № 5',
      '\\frac{a}{b} and \\alpha, $E=mc^2$, C:\\new\\table',
      'Use `&amp;` in HTML:\n```html\n<p>&nbsp;x  \n</p>\n```\nthen reload.',
      '{"a": "b\\nc", "html": "<p>&amp;</p>", "line": "\u2028"}',
      'see https://a.com/?x=1&lt;=2&copy;=3 。',
      'if a < b && c > d: x = &sum; return <name>',
      'Steps:\n\n1. a\n   - b\n\n\n2. c',
      '👨‍👩‍👧 🏴󠁧󠁢󠁷󠁬󠁳󠁿 می‌خواهم',
      'กา\u200bรณ์',
      'write <b> for bold',
    ])
      expect(clean(text), text).toBe(text);
  });

  it('repairs damage', () => {
    const cases: [string, string][] = [
      ['schÃ¶n and voilÃ  le travail', 'schön and voilà le travail'],
      ['ä½\u00a0å¥½ï¼\u008cä¸–ç•Œ', '你好，世界'],
      ['a\r\nb\rc\u2028d', 'a\nb\nc\nd'],
      ['\ufeffHello\u0000 wo\u200brld \ud83d', 'Hello world \ufffd'],
      ['<p>Hello&nbsp;<b>world</b></p><p>AT&amp;T</p>', 'Hello world\nAT&T'],
      ['Tom &amp;amp; Jerry &lt;3', 'Tom & Jerry <3'],
      ['one &lt;b&gt; &quot;two&quot;', 'one &lt;b&gt; "two"'],
      ['line one  \nline two\t\n\n', 'line one\nline two'],
      ['\n\n  indented', '  indented'],
      ['cafe\u0301', 'café'],
      ['```py\r\nprint("Ã©")  \r\n```\r\nÃ©', '```py\nprint("Ã©")  \n```\né'],
      ['<ul><li>a</li><li>b</li></ul>', '- a\n- b'],
    ];
    for (const [damaged, repaired] of cases) expect(clean(damaged), damaged).toBe(repaired);
  });

  it('does nothing that is switched off', () => {
    const none: SafeTextOptions = {
      mojibake: false,
      html: false,
      controls: false,
      spaces: false,
      nfc: false,
    };
    const text = '\ufeffschÃ¶n<br>&nbsp;e\u0301 \r\n ';
    expect(cleanSafely(text, none)).toBe(text);
    expect(cleanSafely(text, { ...none, nfc: true })).toBe('\ufeffschÃ¶n<br>&nbsp;\u00e9 \r\n ');
  });

  it('knows texts about markup', () => {
    expect(isAboutMarkup('How do I centre a <div>?')).toBe(false);
    expect(isAboutMarkup('How do I centre a <div> in CSS?')).toBe(true);
    expect(isAboutMarkup('解释这个标签')).toBe(true);
    expect(removeHtmlRemnants('<i> and <a> are placeholders')).toBe('<i> and <a> are placeholders');
  });
});

const piece = fc.oneof(
  fc.constantFrom(
    ...[
      '你好，',
      '世界！',
      '（１２３）',
      '\n',
      '\n\n',
      '  ',
      ' \n',
      '\r\n',
      '\t',
      '```\n',
      '```py\nx = "Ã©"  \n```\n',
    ],
    ...[
      '`a&amp;b`',
      '$x_1 < 2$',
      '\\[a\\]',
      '{"a": [1, "\\n&lt;"]}',
      '[1, 2]',
      'https://x.cn/a?b=1&c=2',
      '<b>',
      '</b>',
    ],
    ...[
      '<br>',
      '<p>',
      '</p>',
      '&amp;',
      '&lt;',
      '&#39;',
      '&nbsp;',
      'lt;',
      'schÃ¶n',
      'â€œ',
      'Ã ',
      '\x85',
      '\x9d',
      '\ufffd',
    ],
    ...[
      '\ufeff',
      '\u200b',
      'e\u0301',
      '\ud83d',
      '\ude00',
      '\u2028',
      '\x1b[0m',
      '{',
      '}',
      '"',
      '$',
      '`',
      '\\',
      '~~~',
      '12.5',
    ],
  ),
  fc.string({ unit: 'binary', maxLength: 6 }),
  fc.string({ maxLength: 8 }),
);
const texts = fc.array(piece, { maxLength: 14 }).map((parts) => parts.join(''));
const count = (text: string, pattern: RegExp) => text.match(pattern)?.length ?? 0;

describe('laws of sft-safe cleaning', () => {
  it('pieces make the text again', () => {
    fc.assert(
      fc.property(
        texts,
        (text) =>
          segmentsOf(text)
            .map(({ text: own }) => own)
            .join('') === text,
      ),
    );
  });

  it('cleaning twice is cleaning once', () => {
    fc.assert(
      fc.property(texts, (text) => {
        const once = clean(text);
        expect(clean(once)).toBe(once);
      }),
      { numRuns: 3000 },
    );
  });

  it('keeps Han characters and digits, where no repair of damage makes or takes them', () => {
    const options = { ...ALL, mojibake: false, html: false };
    fc.assert(
      fc.property(texts, (text) => {
        const after = cleanSafely(text, options);
        expect(count(after, /\p{Script=Han}/gu)).toBe(count(text, /\p{Script=Han}/gu));
        // A colour code of a terminal has digits of its own.
        if (!text.includes('\x1b')) expect(after.match(/\p{Nd}/gu)).toEqual(text.match(/\p{Nd}/gu));
      }),
      { numRuns: 1000 },
    );
  });

  it('keeps JSON valid and its value, and closed fences byte by byte', () => {
    fc.assert(
      fc.property(fc.json(), fc.constantFrom('', ' ', '\n', '\r\n'), (json, space) => {
        const value = JSON.parse(json) as unknown;
        if (typeof value !== 'object' || value === null) return;
        expect(JSON.parse(clean(space + json + space))).toEqual(value);
      }),
    );
    fc.assert(
      fc.property(texts, texts, (code, prose) => {
        const body = code.replace(/[`~\r]/g, '');
        const fence = `\`\`\`\n${body}\n\`\`\``;
        expect(clean(`a\n${fence}\n${prose.replace(/[`~$\\{[\r]/g, '')}`)).toContain(fence);
      }),
    );
  });

  it('is quick on hostile text', () => {
    for (const unit of [
      '`',
      '`` a',
      '$a',
      '\\[',
      '{"a":',
      '[[',
      '<b ',
      '&amp;',
      'Ã',
      'Ã ',
      '\\begin{a}',
      '~~~\n',
      'a:// ',
      '\ud83d',
    ])
      clean(unit.repeat(20_000 / unit.length));
  }, 20_000);
});
