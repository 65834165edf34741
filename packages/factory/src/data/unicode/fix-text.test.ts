import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assetPath } from '../../../../../test/assets.ts';
import { fixEncoding, type PlanStep } from './fix-encoding.ts';
import { FTFY_DEFAULTS, fixSegment, fixText } from './fix-text.ts';
import { unescapeHtml } from './html-entities.ts';

interface Vectors {
  /** Text, fixed as one segment, the plan, and fixed line by line. */
  cases: [text: string, segment: string, plan: PlanStep[], text: string][];
  entities: Record<string, string>;
}

const vectors = JSON.parse(
  readFileSync(new URL('fixtures/ftfy-cases.json', import.meta.url), 'utf8'),
) as Vectors;

describe('repair of text, against ftfy 6.3.1', () => {
  it('gives the same text and the same plan for seeded texts', () => {
    expect(vectors.cases.length).toBeGreaterThanOrEqual(400);
    for (const [text, segment, plan, whole] of vectors.cases) {
      expect(fixSegment(text), JSON.stringify(text)).toEqual({ text: segment, plan });
      expect(fixText(text), JSON.stringify(text)).toBe(whole);
    }
  });

  it('decodes the same entities', () => {
    for (const [entity, decoded] of Object.entries(vectors.entities))
      expect(unescapeHtml(entity), entity).toBe(decoded);
  });

  it('gives the plans of documented examples', () => {
    const examples: [string, string, PlanStep[]][] = [
      [
        'schÃ¶n',
        'schön',
        [
          ['encode', 'latin-1'],
          ['decode', 'utf-8'],
        ],
      ],
      [
        'voilÃ le travail',
        'voilà le travail',
        [
          ['encode', 'latin-1'],
          ['transcode', 'restore_byte_a0'],
          ['decode', 'utf-8'],
        ],
      ],
      ['<em>&lt;</em>', '<em>&lt;</em>', []],
      ['ä½ å¥½', 'ä½ å¥½', []],
      ['\ufeffBOM', 'BOM', [['apply', 'remove_control_chars']]],
      ['\u001b[36;44mblue\u001b[0m', 'blue', [['apply', 'remove_terminal_escapes']]],
      ['e\u0301', 'é', [['normalize', 'NFC']]],
    ];
    for (const [text, fixed, plan] of examples) expect(fixSegment(text)).toEqual({ text: fixed, plan });
  });

  it('leaves entities alone after the first line with a tag', () => {
    expect(fixText('&amp;\n<p>\n&amp;')).toBe('&\n<p>\n&amp;');
  });

  it('honours the options that ftfy forgets', () => {
    const off = { ...FTFY_DEFAULTS, restoreByteA0: false };
    expect(fixText('voilÃ le travail', off)).not.toBe('voilà le travail');
  });

  const folder = assetPath('data/ftfy_cases');
  it.skipIf(folder === null)('passes the cases of ftfy itself', () => {
    let passed = 0;
    for (const file of ['in-the-wild', 'language-names', 'negative', 'synthetic']) {
      const cases = JSON.parse(readFileSync(`${folder}/${file}.json`, 'utf8')) as Record<string, string>[];
      for (const { original, fixed, expect: expected, label, ...rest } of cases) {
        if (expected !== 'pass') continue;
        expect(fixSegment(original!).text, label).toBe(fixed);
        expect(fixEncoding(original!).text, label).toBe(rest['fixed-encoding'] ?? fixed);
        passed++;
      }
    }
    expect(passed).toBe(151);
  });
});

describe('laws of repair', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: fc.constantFrom(...'Ã©â€™œ\x81\x9dÂ ðŸ˜€í\xa0½í¸€a?\ufffd\x1aÐÑ–') }),
    fc
      .array(fc.constantFrom('&amp;', '&lt;', '\ud83d', 'schÃ¶n', '你好，', '\n'))
      .map((parts) => parts.join('')),
  );

  it('fixes a segment once and for all, and never fails', () => {
    fc.assert(
      fc.property(text, (value) => {
        const once = fixSegment(value, { ...FTFY_DEFAULTS, unescapeHtml: false }).text;
        expect(once.isWellFormed()).toBe(true);
        expect(fixSegment(once, { ...FTFY_DEFAULTS, unescapeHtml: false }).text).toBe(once);
      }),
      { numRuns: 300 },
    );
  });
});
