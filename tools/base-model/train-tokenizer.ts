// In: corpus.jsonl. Out: tokenizer.json and tokenizer_config.json in a model folder, and how many tokens the corpus has.
// Usage: node tools/base-model/train-tokenizer.ts --corpus outputs/base-corpus/corpus.jsonl --out FOLDER
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Tokenizer } from '@huggingface/tokenizers';
import { countWords, SPECIAL_TOKENS, tokenizerConfig, tokenizerJson, trainMerges } from './bpe.ts';

/** Tokens in all: 256 bytes, the merges, the special tokens. */
const VOCABULARY = 4096;
/** Positions that config.json declares. */
const CONTEXT = 2048;

function main(): void {
  const { values } = parseArgs({
    options: {
      corpus: { type: 'string', default: 'outputs/base-corpus/corpus.jsonl' },
      out: { type: 'string', default: 'packages/factory/base/tunesmith-tiny' },
    },
  });
  const texts = readFileSync(resolve(values.corpus), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as { text: string }).text);
  const started = performance.now();
  const merges = trainMerges(countWords(texts), VOCABULARY - 256 - SPECIAL_TOKENS.length);
  const json = tokenizerJson(merges);
  const config = tokenizerConfig(CONTEXT, 256 + merges.length);
  const out = resolve(values.out);
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, 'tokenizer.json'), `${JSON.stringify(json, null, 1)}\n`);
  writeFileSync(join(out, 'tokenizer_config.json'), `${JSON.stringify(config, null, 2)}\n`);
  process.stdout.write(`${merges.length} merges in ${((performance.now() - started) / 1000).toFixed(1)} s\n`);

  const tokenizer = new Tokenizer(json, config as unknown as ConstructorParameters<typeof Tokenizer>[1]);
  let tokens = 0;
  let bytes = 0;
  for (const text of texts) {
    tokens += tokenizer.encode(text, { add_special_tokens: false }).ids.length + 1;
    bytes += Buffer.byteLength(text);
  }
  process.stdout.write(
    `${texts.length} documents, ${bytes} bytes, ${tokens} tokens with one end token each\n`,
  );
}

if (import.meta.main) main();
