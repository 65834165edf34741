// In: a line. Out: its tokens as sacrebleu 2.6 cuts them: 13a (mteval v13a), zh, intl (mteval v14), char, none.
// None of them is right for every language: the name of a tokenizer belongs to every BLEU.
import { splitWords, trim } from './words.ts';

export type BleuTokenizer = '13a' | 'zh' | 'intl' | 'char' | 'none';

/**
 * Blocks that count as Chinese. U+2001 to U+2A6D (general punctuation, arrows, box drawing) is there because sacrebleu
 * writes U+20000 to U+2A6D6 with four-digit escapes; Extension B is missing for the same reason.
 */
const CHINESE = new RegExp(
  `[${[
    '\\u3400-\\u4db5\\u4e00-\\u9fbb\\uf900-\\ufa2d\\ufa30-\\ufa6a\\ufa70-\\ufad9\\u2001-\\u2a6d\\uff00-\\uffef',
    '\\u2e80-\\u2eff\\u3000-\\u303f\\u31c0-\\u31ef\\u2f00-\\u2fdf\\u2ff0-\\u2fff\\u3100-\\u312f\\u31a0-\\u31bf',
    '\\ufe10-\\ufe1f\\ufe30-\\ufe4f\\u3200-\\u32ff\\u3300-\\u33ff',
  ].join('')}]`,
  'gu',
);

export const BLEU_TOKENIZERS: Record<BleuTokenizer, (line: string) => string[]> = {
  '13a': (line) => {
    const joined = line.replaceAll('<skipped>', '').replaceAll('-\n', '').replaceAll('\n', ' ');
    const plain = joined
      .replaceAll('&quot;', '"')
      .replaceAll('&amp;', '&')
      .replaceAll('&lt;', '<')
      .replaceAll('&gt;', '>');
    return splitWords(western(` ${plain} `));
  },
  zh: (line) => splitWords(western(trim(line).replace(CHINESE, ' $& '))),
  intl: (line) =>
    splitWords(
      line
        .replace(/(\P{N})(\p{P})/gu, '$1 $2 ')
        .replace(/(\p{P})(\P{N})/gu, ' $1 $2')
        .replace(/\p{S}/gu, ' $& '),
    ),
  char: (line) => splitWords([...line].join(' ')),
  none: splitWords,
};

/** ASCII punctuation; period and comma unless between digits; a dash after a digit. */
function western(line: string): string {
  return line
    .replace(/[{-~[-` -&(-+:-@/]/gu, ' $& ')
    .replace(/([^0-9])([.,])/gu, '$1 $2 ')
    .replace(/([.,])([^0-9])/gu, ' $1 $2')
    .replace(/([0-9])(-)/gu, '$1 $2 ');
}
