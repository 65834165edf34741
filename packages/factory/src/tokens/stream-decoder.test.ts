import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assetPath } from '../../../../test/assets.ts';
import { streamDecoder } from './stream-decoder.ts';
import { openTokenizer } from './tokenizer.ts';

const qwen3 = assetPath('tokenizers/qwen3');
const stories = assetPath('models/stories260K-hf');

/** One id per byte, so that every character of more than one byte arrives in pieces. */
const bytes = {
  encode: (text: string) => [...Buffer.from(text, 'utf8')],
  decode: (ids: ArrayLike<number>) => Buffer.from(Array.from(ids)).toString('utf8'),
  tokenToId: () => null,
  idToToken: () => null,
  bosId: null,
  eosId: null,
  padId: null,
  addsBos: false,
  size: 256,
  chatTemplate: null,
  fingerprint: '',
};

function run(tokenizer: typeof bytes, ids: number[], stopWords: string[] = []) {
  const decoder = streamDecoder(tokenizer, { stopWords });
  const chunks = [...ids.map((id) => decoder.push(id)), decoder.end()];
  return { text: chunks.map((chunk) => chunk.text).join(''), stop: chunks.at(-1)!.stop, chunks };
}

test('characters come whole', () => {
  const { chunks, text } = run(bytes, bytes.encode('é你😀!'));
  expect(text).toBe('é你😀!');
  expect(chunks.map((chunk) => chunk.text).filter(Boolean)).toEqual(['é', '你', '😀', '!']);
});

test('unfinished bytes at the end come out as they decode', () => {
  expect(run(bytes, [0x61, 0xe4, 0xbd]).text).toBe('a\uFFFD');
});

test('bytes that are no text do not hold back the rest', () => {
  const { text } = run(bytes, [...new Array<number>(30).fill(0xff), 0x61]);
  expect(text.endsWith('a')).toBe(true);
});

describe('stop words', () => {
  test('the text before the word, and nothing after', () => {
    expect(run(bytes, bytes.encode('hello<end>rest'), ['<end>'])).toMatchObject({
      text: 'hello',
      stop: '<end>',
    });
    expect(run(bytes, bytes.encode('hello'), ['<end>'])).toMatchObject({ text: 'hello', stop: null });
    expect(run(bytes, bytes.encode('hello<en'), ['<end>'])).toMatchObject({ text: 'hello<en', stop: null });
    expect(run(bytes, bytes.encode('a\n\nb'), ['\n\n', ''])).toMatchObject({ text: 'a', stop: '\n\n' });
  });

  test('are never given out, and the earliest wins', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 20 });
    const words = fc.array(fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 3 }), {
      maxLength: 3,
    });
    fc.assert(
      fc.property(letters, words, (text, stopWords) => {
        const found = stopWords.map((word) => text.indexOf(word)).filter((at) => at >= 0);
        const { text: out, stop } = run(bytes, bytes.encode(text), stopWords);
        if (found.length === 0) {
          expect([out, stop]).toEqual([text, null]);
        } else {
          // A longer word may begin before a shorter one ends; the shorter is found first.
          expect(stop).not.toBeNull();
          expect(stopWords.some((word) => out.includes(word))).toBe(false);
          expect(text.startsWith(out + stop)).toBe(true);
        }
      }),
    );
  });
});

describe.each([
  ['qwen3', qwen3],
  ['stories260K', stories],
])('%s', (_, dir) => {
  test.skipIf(!dir)('the pieces join to the whole', async () => {
    const tokenizer = await openTokenizer(dir!);
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const ids = tokenizer.encode(text);
        expect(run(tokenizer as typeof bytes, ids).text).toBe(tokenizer.decode(ids));
      }),
      { numRuns: 200 },
    );
  });
});
