import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CleanRow, mapTexts, rowFromJson, rowToJson, textsOf } from './clean-row.ts';

const message = fc.record({
  role: fc.constantFrom('user', 'assistant', 'observation', 'function'),
  content: fc.string({ unit: 'grapheme' }),
});
const row: fc.Arbitrary<CleanRow> = fc.record({
  kind: fc.constantFrom('sft', 'preference', 'feedback', 'text'),
  system: fc.string(),
  tools: fc.string(),
  prompt: fc.array(message, { minLength: 1, maxLength: 3 }),
  response: fc.array(message, { maxLength: 2 }),
  extra: fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.integer(), fc.boolean()), {
    noNullPrototype: true,
  }),
}) as fc.Arbitrary<CleanRow>;

describe('canonical rows', () => {
  it('come back from their JSON, which is one line', () => {
    fc.assert(
      fc.property(row, (one) => {
        const json = rowToJson(one);
        expect(json).not.toContain('\n');
        expect(rowFromJson(json)).toEqual(one);
        expect(rowToJson(rowFromJson(json))).toBe(json);
      }),
    );
  });

  it('stay the same object where no text changes, and change every text otherwise', () => {
    fc.assert(
      fc.property(row, (one) => {
        expect(mapTexts(one, (text) => text)).toBe(one);
        const marked = mapTexts(one, (text, { part, index }) => `${part}${index}:${text}`);
        expect([...textsOf(marked)].map(({ text }) => text)).toEqual(
          [...textsOf(one)].map(({ part, index, text }) => `${part}${index}:${text}`),
        );
      }),
    );
  });
});
