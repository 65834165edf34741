// Vocabularies are those of llama.cpp's own converter, key by key (test/parity/gguf), and come back as the tokenizer that
// they were made of.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { GgufFields, GgufMetadata, GgufValue } from '#factory/records/gguf.ts';
import { ggufTokenizerFiles } from './gguf-tokenizer.ts';
import { ggufVocabulary } from './gguf-vocabulary.ts';
import { readSentencePieces } from './sentencepiece-model.ts';
import { tokenizerOf } from './tokenizer.ts';

interface Case {
  model: string;
  rows: number;
  fields: Record<string, unknown>;
}

const folder = fileURLToPath(new URL('../../../../test/parity/gguf/', import.meta.url));
const cases = JSON.parse(readFileSync(join(folder, 'vocabularies.json'), 'utf8')) as Record<string, Case>;
const ARCHITECTURE: Record<string, string> = { mistral: 'llama', 'llama-bias': 'llama' };

function filesOf(dir: string): Record<string, Buffer> {
  const names = readdirSync(dir).filter((name) => name.startsWith('tokenizer'));
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(dir, name))]));
}

const plain = (fields: GgufFields): GgufMetadata =>
  new Map(
    [...fields].map(([key, { type, value }]) => [
      key,
      (type === 'array' ? [...(value as unknown[])] : value) as GgufValue,
    ]),
  );

const texts = [
  'The  quick brown fox\n\n\tisn’t 12345 there. ',
  "we've paid 99 % — 今天天气 🦙 Über",
  ' leading and trailing ',
  '<|user|><tool_call>▁x<|im_start|></s>',
];

function convert(name: string, change: (files: Record<string, Buffer>) => void = () => {}) {
  const { model, rows } = cases[name];
  const dir = join(folder, 'vocabularies', name);
  const files = filesOf(dir);
  change(files);
  const config = JSON.parse(readFileSync(join(folder, '../models', model, 'config.json'), 'utf8'));
  const tokenizer = tokenizerOf(new Map(Object.entries(files)), dir);
  const fields = ggufVocabulary(files, tokenizer, {
    rows,
    architecture: ARCHITECTURE[model] ?? model,
    config,
    chatTemplate: tokenizer.chatTemplate,
    // Its rules are those of two published ones.
    preTokenizer: name === 'glm4' ? 'glm4' : null,
    dir,
  });
  return { tokenizer, fields: plain(fields) };
}

describe.each(Object.keys(cases))('%s', (name) => {
  test('has the keys and values of the reference', () => {
    const { 'tokenizer.huggingface.json': own, ...found } = Object.fromEntries(convert(name).fields);
    expect(own).toBeTypeOf('string');
    expect(found).toEqual(cases[name].fields);
  });

  test('comes back as the same tokenizer', () => {
    const { tokenizer, fields } = convert(name);
    const back = tokenizerOf(ggufTokenizerFiles(fields, 'x.gguf'), 'x.gguf');
    for (const text of texts) expect(back.encode(text)).toEqual(tokenizer.encode(text));
    expect([back.bosId, back.eosId, back.padId, back.addsBos]).toEqual([
      cases[name].fields['tokenizer.ggml.bos_token_id'],
      tokenizer.eosId,
      tokenizer.padId,
      tokenizer.addsBos || (cases[name].fields['tokenizer.ggml.add_bos_token'] ?? false),
    ]);
  });
});

test.each(['spm-v5', 'spm-v4-added', 'gemma'])('%s has its scores without tokenizer.model', (name) => {
  const { fields } = convert(name, (files) => delete files['tokenizer.model']);
  const expected = cases[name].fields as Record<string, (number | string)[]>;
  const kinds = fields.get('tokenizer.ggml.token_type') as number[];
  const scores = fields.get('tokenizer.ggml.scores') as number[];
  expect(fields.get('tokenizer.ggml.tokens')).toEqual(expected['tokenizer.ggml.tokens']);
  for (const [id, kind] of kinds.entries())
    if (kind === 1) expect(scores[id], `piece ${id}`).toBe(expected['tokenizer.ggml.scores'][id]);
});

test('rules that llama.cpp has no name for are refused, or taken by the name that is given', () => {
  const change = (files: Record<string, Buffer>) => {
    const text = files['tokenizer.json'].toString().replaceAll('\\\\p{N}|', '\\\\p{N}{1,4}|');
    files['tokenizer.json'] = Buffer.from(text);
  };
  expect(() => convert('qwen2', change)).toThrow(
    expect.objectContaining({ code: 'EXPORT_UNSUPPORTED', message: expect.stringContaining('{1,4}') }),
  );
});

test('a SentencePiece model that ends within a field is a typed error', () => {
  const bytes = filesOf(join(folder, 'vocabularies/spm-v5'))['tokenizer.model'];
  expect(readSentencePieces(bytes, 'm').length).toBeGreaterThan(300);
  for (const length of [1, 7, 100, bytes.length - 1])
    expect(() => readSentencePieces(bytes.subarray(0, length), 'm')).toThrow(
      expect.objectContaining({ code: 'TOKENS_BAD_TOKENIZER' }),
    );
});
