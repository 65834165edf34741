// Laws of the tokenizer: lossless on any text, independent of the order of its input, merges by frequency.
import { Tokenizer } from '@huggingface/tokenizers';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BYTE_CHARS,
  countWords,
  SPECIAL_TOKENS,
  tokenizerConfig,
  tokenizerJson,
  trainMerges,
} from './bpe.ts';

const TEXTS = [
  'Whether the mail is spam or ham, the mail server keeps the mail.',
  "It's 2024; they'll say we've seen 1,000 mails. <|im_start|>user\nHello<|im_end|>",
  '春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。春风又绿江南岸，春江花月夜。',
];

function tokenizerOf(texts: string[], merges = 200): Tokenizer {
  const learned = trainMerges(countWords(texts), merges);
  return new Tokenizer(
    tokenizerJson(learned),
    tokenizerConfig(256, 256 + learned.length) as unknown as ConstructorParameters<typeof Tokenizer>[1],
  );
}

const roundTrip = (tokenizer: Tokenizer, text: string): string =>
  tokenizer.decode(tokenizer.encode(text, { add_special_tokens: false }).ids, {
    skip_special_tokens: false,
    clean_up_tokenization_spaces: false,
  });

describe('the byte-level BPE', () => {
  it('has one character for every byte', () => {
    expect(new Set(BYTE_CHARS).size).toBe(256);
    expect(BYTE_CHARS[32]).toBe('Ġ');
    expect(BYTE_CHARS[10]).toBe('Ċ');
  });

  it('merges by frequency, ties by the pair known first', () => {
    const words = new Map([
      ['low', 5],
      ['lower', 2],
      ['newest', 6],
      ['widest', 3],
    ]);
    expect(trainMerges(words, 4)).toEqual([
      ['e', 's'],
      ['es', 't'],
      ['l', 'o'],
      ['lo', 'w'],
    ]);
  });

  it('counts overlapping pairs as they are merged: left to right', () => {
    expect(trainMerges(new Map([['aaaa', 3]]), 5)).toEqual([
      ['a', 'a'],
      ['aa', 'aa'],
    ]);
  });

  it('agrees with a plain trainer that recounts everything after each merge', () => {
    const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 9 });
    fc.assert(
      fc.property(fc.dictionary(word, fc.integer({ min: 1, max: 9 }), { maxKeys: 8 }), (counts) => {
        const words = new Map(Object.entries(counts));
        expect(trainMerges(words, 6)).toEqual(plainMerges(words, 6));
      }),
      { numRuns: 300 },
    );
  });

  it('does not depend on the order of the texts', () => {
    const one = trainMerges(countWords(TEXTS), 100);
    expect(trainMerges(countWords([...TEXTS].reverse()), 100)).toEqual(one);
    expect(one.length).toBeGreaterThan(20);
  });

  it('never looks inside special tokens', () => {
    expect([...countWords(['<|im_start|>']).keys()]).toEqual([]);
    const tokenizer = tokenizerOf(TEXTS);
    const ids = tokenizer.encode(SPECIAL_TOKENS.join(''), { add_special_tokens: false }).ids;
    expect(ids).toHaveLength(3);
    expect(ids[1]).toBe(tokenizer.token_to_id('<|im_start|>'));
  });

  it('splits digits one by one', () => {
    expect(
      tokenizerOf(['2024 2024 2024 2024']).encode('2024', { add_special_tokens: false }).ids,
    ).toHaveLength(4);
  });

  it('gives back any text: English, Chinese, emoji, control characters, decomposed accents', () => {
    const tokenizer = tokenizerOf(TEXTS);
    const hard = [
      ' ',
      '\n\n  \t',
      '\u0000\u0001\u007f\u0080',
      '👩‍👩‍👧‍👦🏳️‍🌈',
      'e\u0301 é',
      '你好，世界！',
      'a\r\nb\r',
      "I'LL it's",
      '﷽ ไทย',
    ];
    for (const text of [...TEXTS, ...hard]) expect(roundTrip(tokenizer, text)).toBe(text);
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }), (text) => {
        expect(roundTrip(tokenizer, text)).toBe(text);
      }),
      { numRuns: 500 },
    );
  });
});

/** The definition of BPE with the same tie rule, recounted from scratch. */
function plainMerges(words: Map<string, number>, mergeCount: number): [string, string][] {
  let split = [...words].map(([word, count]) => ({ parts: [...word], count }));
  const order = [...BYTE_CHARS].sort((x, y) => (x < y ? -1 : 1));
  const merges: [string, string][] = [];
  while (merges.length < mergeCount) {
    const counts = new Map<string, number>();
    for (const { parts, count } of split) {
      for (let i = 0; i + 1 < parts.length; i++) {
        const key = `${order.indexOf(parts[i]!)} ${order.indexOf(parts[i + 1]!)}`;
        counts.set(key, (counts.get(key) ?? 0) + count);
      }
    }
    const rank = (key: string): number[] => key.split(' ').map(Number);
    const best = [...counts].sort(
      ([x, n], [y, m]) => m - n || rank(x)[0]! - rank(y)[0]! || rank(x)[1]! - rank(y)[1]!,
    )[0];
    if (!best || best[1] < 2) break;
    const [left, right] = rank(best[0]).map((id) => order[id]!) as [string, string];
    if (!order.includes(left + right)) {
      order.push(left + right);
      merges.push([left, right]);
    }
    split = split.map(({ parts, count }) => {
      const next: string[] = [];
      for (let i = 0; i < parts.length; i++) {
        if (parts[i] === left && parts[i + 1] === right) {
          next.push(left + right);
          i++;
        } else next.push(parts[i]!);
      }
      return { parts: next, count };
    });
  }
  return merges;
}
