// Prompts are encoded here and continued by llama.cpp, so both must read a file's vocabulary alike: on hard texts, token by token.
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { ggufFacts } from '../../packages/factory/src/pipeline/gguf-facts.ts';
import type { GgufField } from '../../packages/factory/src/records/gguf.ts';
import { encodeGgufHeader } from '../../packages/factory/src/store/gguf-format.ts';
import { ggufTokenizerFiles } from '../../packages/factory/src/tokens/gguf-tokenizer.ts';
import { ggufVocabulary } from '../../packages/factory/src/tokens/gguf-vocabulary.ts';
import { openTokenizer, tokenizerOf } from '../../packages/factory/src/tokens/tokenizer.ts';
import { assetPath } from '../assets.ts';

vi.setConfig({ testTimeout: 120_000 });
const TOKENIZE = fileURLToPath(new URL('./llama-tokenize.ts', import.meta.url));
const dir = mkdtempSync(join(tmpdir(), 'tunesmith-tokenizers-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const reference = assetPath('vectors/tokenizer_reference.json');
const texts: string[] = [
  'Hello, world! 12345 3.14',
  "  two spaces\n\n\ttabs, it's\r\n",
  '你好，世界！１２３ 🎉👩‍👩‍👧',
  'naïve café e\u0301 \u00a0nbsp\u200b',
  '<|im_start|>user\nHi<|im_end|>\n<think></think>',
  'العربية हिन्दी ไทย',
  ...(reference ? (JSON.parse(readFileSync(reference, 'utf8')).strings as string[]) : []),
];

async function bothIds(path: string): Promise<[number[][], number[][]]> {
  const file = join(dir, 'texts.json');
  writeFileSync(file, JSON.stringify(texts));
  const run = await promisify(execFile)(process.execPath, [TOKENIZE, path, file], { maxBuffer: 1e8 });
  const theirs = JSON.parse(run.stdout.trim().split('\n').at(-1)!) as number[][];
  const { metadata } = await ggufFacts(path);
  const tokenizer = tokenizerOf(ggufTokenizerFiles(metadata, path), path);
  return [texts.map((text) => tokenizer.encode(text)), theirs];
}

/** A file with the vocabulary of a folder and no weights. */
async function vocabularyFile(folder: string, architecture: string): Promise<string> {
  const files = Object.fromEntries(
    ['tokenizer.json', 'tokenizer_config.json'].map((name) => [name, readFileSync(join(folder, name))]),
  );
  const tokenizer = await openTokenizer(folder);
  const fields = ggufVocabulary(files, tokenizer, {
    rows: tokenizer.size,
    architecture,
    config: {},
    chatTemplate: null,
    preTokenizer: null,
    dir: folder,
  });
  const u32 = (value: number): GgufField => ({ type: 'uint32', value });
  const path = join(dir, `${architecture}.gguf`);
  const head = new Map<string, GgufField>([
    ['general.architecture', { type: 'string', value: architecture }],
    [`${architecture}.block_count`, u32(1)],
    [`${architecture}.context_length`, u32(512)],
    [`${architecture}.embedding_length`, u32(64)],
    [`${architecture}.feed_forward_length`, u32(64)],
    [`${architecture}.attention.head_count`, u32(1)],
    [`${architecture}.attention.layer_norm_rms_epsilon`, { type: 'float32', value: 1e-6 }],
    ...fields,
  ]);
  writeFileSync(path, encodeGgufHeader(head, []));
  return path;
}

describe('the same ids as llama.cpp', () => {
  test('a vocabulary of our own', async () => {
    const [ours, theirs] = await bothIds(
      await vocabularyFile('packages/factory/base/tunesmith-tiny', 'llama'),
    );
    for (const [i, text] of texts.entries()) expect(ours[i], JSON.stringify(text)).toEqual(theirs[i]);
  });

  const qwen = assetPath('tokenizers/qwen3');
  test.skipIf(!qwen)("Qwen's", async () => {
    const [ours, theirs] = await bothIds(await vocabularyFile(qwen!, 'qwen2'));
    for (const [i, text] of texts.entries()) {
      // Where llama.cpp differs from Hugging Face, and we do not: it composes no characters first, and takes Qwen's plain
      // token </s> for a special one.
      const isKnown = text !== text.normalize('NFC') || text.includes('</s>');
      if (!isKnown) expect(ours[i], JSON.stringify(text)).toEqual(theirs[i]);
    }
  });

  const stories = assetPath('models/stories260K-f32.gguf');
  test.skipIf(!stories)('SentencePiece', async () => {
    const [ours, theirs] = await bothIds(stories!);
    for (const [i, text] of texts.entries()) expect(ours[i], JSON.stringify(text)).toEqual(theirs[i]);
  });
});
