// In: a byte-level tokenizer.json. Out: llama.cpp's name of its pre-tokenizer (`tokenizer.ggml.pre`), or null; and from the
// names that are known exactly, back. Names, and the text whose ids tell tokenizers apart, are those of convert_hf_to_gguf.
import { createHash } from 'node:crypto';
import type { TextTokenizer } from '#factory/records/tokenizer.ts';

/** Contractions, letters, digits by `digits`, signs, line breaks, white space. */
const splitPattern = (digits: string) =>
  `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;
const TEKKEN =
  '[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';

export const byteLevel = (useRegex: boolean) => ({
  type: 'ByteLevel',
  add_prefix_space: false,
  trim_offsets: false,
  use_regex: useRegex,
});
const splitBy = (pattern: string) => ({
  type: 'Sequence',
  pretokenizers: [
    { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false },
    byteLevel(false),
  ],
});

export interface ByteLevelRules {
  normalizer: object | null;
  preTokenizer: object;
  ignoreMerges: boolean;
  addsBos: boolean;
}

/** By `tokenizer.ggml.pre`: what stands before byte-level BPE. */
export const BYTE_LEVEL: Readonly<Record<string, ByteLevelRules>> = {
  'gpt-2': { normalizer: null, preTokenizer: byteLevel(true), ignoreMerges: false, addsBos: false },
  qwen2: {
    normalizer: { type: 'NFC' },
    preTokenizer: splitBy(splitPattern('\\p{N}')),
    ignoreMerges: false,
    addsBos: false,
  },
  'llama-bpe': {
    normalizer: null,
    preTokenizer: splitBy(splitPattern('\\p{N}{1,3}')),
    ignoreMerges: true,
    addsBos: true,
  },
  dbrx: {
    normalizer: null,
    preTokenizer: splitBy(splitPattern('\\p{N}{1,3}')),
    ignoreMerges: false,
    addsBos: false,
  },
  tekken: { normalizer: null, preTokenizer: splitBy(TEKKEN), ignoreMerges: true, addsBos: true },
  smollm: {
    normalizer: null,
    preTokenizer: {
      type: 'Sequence',
      pretokenizers: [{ type: 'Digits', individual_digits: true }, byteLevel(true)],
    },
    ignoreMerges: false,
    addsBos: false,
  },
};

/**
 * First 16 digits of the SHA-256 of the ids of SAMPLE, written as a Python list: one per published vocabulary of the
 * architectures that are exported here.
 */
const BY_IDS: Readonly<Record<string, string>> = {
  '0ef9807a4087ebef': 'llama-bpe',
  c136ed14d01c2745: 'smaug-bpe',
  '9d032fcbd5501f4a': 'falcon3',
  d4540891389ea895: 'qwen2',
  e636dc30a262dcc0: 'qwen2',
  b3f499bb4255f8ca: 'deepseek-r1-qwen',
  '049ecf7629871e30': 'deepseek-llm',
  '347715f544604f91': 'deepseek-coder',
  '63b97e4253352e6f': 'tekken',
  '0e9433cbbb161f89': 'pixtral',
  a1336059768a55c9: 'glm4',
  '9ca2dd618e8afaf0': 'glm4',
  b6e8e1518dc4305b: 'chatglm-bpe',
  '81d72c7348a9f0eb': 'chatglm-bpe',
  a8594e3edff7c29c: 'dbrx',
  ccc2ef013c104be7: 'gpt-4o',
  '855059429035d75a': 'smollm',
  '3ce83efda5659b07': 'gpt-2',
  '0fe1cf6eda062318': 'gpt-2',
  '35d91631860c815f': 'starcoder',
  '7dec86086fcc38b6': 'superbpe',
  '7fc505bd3104ca10': 'viking',
  '1431a23e583c9743': 'minerva-7b',
};

const SAMPLE =
  "\n \n\n \n\n\n \t \t\t \t\n  \n   \n    \n     \n🚀 (normal) 😶\u200d🌫️ (multiple emojis concatenated) ✅ 🦙🦙 3 33 333 3333 33333 333333 3333333 33333333 3.3 3..3 3...3 កាន់តែពិសេសអាច😁 ?我想在apple工作1314151天～ ------======= нещо на Български ''''''```````\"\"\"\"......!!!!!!?????? I've been 'told he's there, 'RE you sure? 'M not sure I'll make it, 'D you like some tea? We'Ve a'lL";

/** By the ids of a published vocabulary, else by the rules themselves. */
export function findPreTokenizer(
  definition: Readonly<Record<string, unknown>>,
  tokenizer: Pick<TextTokenizer, 'encode' | 'addsBos' | 'bosId'>,
): string | null {
  const ids = tokenizer.encode(SAMPLE);
  if (tokenizer.addsBos && tokenizer.bosId !== null) ids.unshift(tokenizer.bosId);
  const hash = createHash('sha256')
    .update(`[${ids.join(', ')}]`)
    .digest('hex')
    .slice(0, 16);
  if (Object.hasOwn(BY_IDS, hash)) return BY_IDS[hash];
  const { ignore_merges: ignoreMerges } = definition.model as { ignore_merges?: boolean };
  const normalizer = definition.normalizer as { type?: string } | null;
  // llama.cpp does not normalise byte-level text; NFC is what nearly all text has anyway.
  if (normalizer && normalizer.type !== 'NFC') return null;
  const rules = canonical(definition.pre_tokenizer);
  for (const [name, known] of Object.entries(BYTE_LEVEL))
    if (canonical(known.preTokenizer) === rules && known.ignoreMerges === (ignoreMerges ?? false))
      return name;
  return null;
}

/** The rules as text, with what has no effect on the pieces left out. */
function canonical(rules: unknown): string {
  const text = JSON.stringify(rules, (key, value) => {
    // Offsets are for tasks that point into the text; a lone ByteLevel is a sequence of one.
    if (key === 'trim_offsets') return undefined;
    if (key === 'Regex' && typeof value === 'string') return withPlainContractions(value);
    if (value && typeof value === 'object' && !Array.isArray(value))
      return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
    return value;
  });
  return text ?? 'null';
}

/** The same contractions are written with a flag or letter by letter. */
function withPlainContractions(pattern: string): string {
  return pattern
    .replace("'(?:[sS]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD])", "(?i:'s|'t|'re|'ve|'m|'ll|'d)")
    .replace("(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])", "(?i:'s|'t|'re|'ve|'m|'ll|'d)");
}
