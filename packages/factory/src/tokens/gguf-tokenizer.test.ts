// Vocabularies of GGUF files give the ids of the tokenizers that they were made from.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { GgufMetadata, GgufValue } from '#factory/records/gguf.ts';
import { assetPath } from '../../../../test/assets.ts';
import { findPreTokenizer } from './gguf-pre-tokenizers.ts';
import { ggufTokenizerFiles } from './gguf-tokenizer.ts';
import { openTokenizer, tokenizerOf } from './tokenizer.ts';

const metadata = (values: Record<string, GgufValue>): GgufMetadata =>
  new Map(Object.entries(values).map(([key, value]) => [`tokenizer.${key}`, value]));
const open = (values: GgufMetadata) => tokenizerOf(ggufTokenizerFiles(values, 'm.gguf'), 'm.gguf');

const reference = assetPath('vectors/tokenizer_reference.json');
const strings: string[] = reference ? JSON.parse(readFileSync(reference, 'utf8')).strings : [];

/** What the converter of llama.cpp writes for a tokenizer.json. */
function fromFolder(dir: string) {
  const { model, added_tokens: added } = JSON.parse(readFileSync(join(dir, 'tokenizer.json'), 'utf8')) as {
    model: { vocab: Record<string, number>; merges: [string, string][] };
    added_tokens: { id: number; content: string; special: boolean }[];
  };
  const tokens: string[] = [];
  const kinds: number[] = [];
  for (const [token, id] of Object.entries(model.vocab)) [tokens[id], kinds[id]] = [token, 1];
  for (const { id, content, special } of added) [tokens[id], kinds[id]] = [content, special ? 3 : 4];
  return { tokens, kinds, merges: model.merges };
}

describe.skipIf(!reference)('the ids of the Hugging Face folder', () => {
  const qwen = assetPath('tokenizers/qwen3');
  test.skipIf(!qwen)('qwen2', async () => {
    const { tokens, kinds, merges } = fromFolder(qwen!);
    const pad = tokens.length;
    const ours = open(
      metadata({
        'ggml.model': 'gpt2',
        'ggml.pre': 'qwen2',
        'ggml.tokens': [...tokens, `[PAD${pad}]`],
        'ggml.token_type': [...kinds, 5],
        'ggml.merges': merges.map((pair) => pair.join(' ')),
        'ggml.eos_token_id': tokens.indexOf('<|im_end|>'),
        'ggml.add_bos_token': false,
        chat_template: '{{ messages }}',
      }),
    );
    const theirs = await openTokenizer(qwen!);
    // A published vocabulary is known by its ids, whatever its rules are said to be.
    expect(findPreTokenizer({ model: {}, pre_tokenizer: null }, theirs)).toBe('qwen2');
    for (const text of [...strings, '<|im_start|>user\n12345 <think> x</think><|im_end|>', `[PAD${pad}]`]) {
      const ids = theirs.encode(text);
      expect(ours.encode(text), JSON.stringify(text)).toEqual(ids);
      expect(ours.decode(ids)).toBe(theirs.decode(ids));
    }
    expect(ours).toMatchObject({
      eosId: theirs.tokenToId('<|im_end|>'),
      addsBos: false,
      chatTemplate: '{{ messages }}',
    });
  });

  const stories = assetPath('models/stories260K-hf');
  test.skipIf(!stories)('llama, from scores', async () => {
    const { tokens, merges } = fromFolder(stories!);
    // A piece's score falls with the rank of the merge that makes it.
    const rank = new Map(merges.map(([a, b], i) => [a + b, -i]));
    const ours = open(
      metadata({
        'ggml.model': 'llama',
        'ggml.tokens': tokens,
        'ggml.scores': tokens.map((token) => rank.get(token) ?? -1e6),
        'ggml.token_type': tokens.map((token, id) =>
          id === 0 ? 2 : id < 3 ? 3 : /^<0x..>$/.test(token) ? 6 : 1,
        ),
        'ggml.bos_token_id': 1,
        'ggml.eos_token_id': 2,
        'ggml.unknown_token_id': 0,
      }),
    );
    const theirs = await openTokenizer(stories!);
    for (const text of strings) {
      // llama.cpp puts a space before every text, also where there is one or after a special token; the folder does not.
      if (text.startsWith(' ') || text.includes('<s>')) continue;
      const ids = theirs.encode(text);
      expect(ours.encode(text), JSON.stringify(text)).toEqual(ids);
      expect(ours.decode(ids)).toBe(theirs.decode(ids));
    }
    expect(ours).toMatchObject({ bosId: 1, eosId: 2, addsBos: true });
  });
});

const letters = ['a', 'b', '1', '2', '\u0120', 'ab', '12', 'abab', '<end>', '121'];
const tiny = (pre: string, more: Record<string, GgufValue> = {}) =>
  metadata({
    'ggml.model': 'gpt2',
    'ggml.pre': pre,
    'ggml.tokens': letters,
    'ggml.token_type': [1, 1, 1, 1, 1, 1, 1, 1, 3, 1],
    'ggml.merges': ['a b', '1 2'],
    ...more,
  });

test('each kind of byte-level vocabulary cuts numbers in its own way', () => {
  const ids = (pre: string) => open(tiny(pre)).encode('12112 ab<end>').join();
  expect(ids('gpt-2')).toBe('6,2,6,4,5,8');
  // Up to three digits, and a piece that is whole needs no merges.
  expect(ids('llama-bpe')).toBe('9,6,4,5,8');
  // Digit by digit.
  expect(ids('qwen2')).toBe('2,3,2,2,3,4,5,8');
  expect(ids('smollm')).toBe('2,3,2,2,3,4,5,8');
});

test('what is not known exactly is refused by name', () => {
  for (const [pre, model] of [
    ['deepseek-llm', 'gpt2'],
    ['default', 'gpt2'],
    ['qwen2', 'bert'],
    ['toString', 'gpt2'],
  ])
    expect(() => open(tiny(pre, { 'ggml.model': model }))).toThrow(
      expect.objectContaining({ code: 'TOKENS_NO_TOKENIZER', message: expect.stringContaining(`"${pre}"`) }),
    );
  expect(() => open(tiny('qwen2', { 'ggml.token_type': [1] }))).toThrow(
    /expected a list of 10 numbers, found 1 items/,
  );
  expect(() => open(tiny('qwen2', { 'ggml.merges': 3 }))).toThrow(/tokenizer.ggml.merges/);
});
