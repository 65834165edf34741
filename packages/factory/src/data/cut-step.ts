// In: a row. Out: the row with long prompts cut at a word, by a rough count of tokens that needs no tokenizer.
// For tasks where the beginning tells enough, such as sorting mails; answers are never cut.
import { mapTexts } from '#factory/records/clean-row.ts';
import type { RowStep } from './clean-step.ts';

export const cutStep: RowStep = {
  kind: 'row',
  name: 'cut',
  version: 1,
  title: { en: 'Cut long prompts', zh: '截断过长的提示' },
  options: {
    max_pieces: {
      type: 'integer',
      default: 1000,
      role: 'score',
      min: 1,
      text: {
        en: 'longest user turn in pieces: four letters, one digit, one sign, or two bytes of another script',
        zh: '用户每轮的最大片段数：四个字母、一个数字、一个符号或其他文字的两个字节为一个片段',
      },
    },
  },
  scores: {},
  reasons: {
    prompt_cut: { verdict: 'edit', text: { en: 'a long prompt was cut', zh: '过长的提示已截断' } },
  },
  create:
    ({ max_pieces }) =>
    (row, found) => {
      let cuts = 0;
      const cut = mapTexts(row, (text, { role }) => {
        if (role !== 'user') return text;
        const short = cutToPieces(text, max_pieces as number);
        if (short !== text) cuts++;
        return short;
      });
      if (cuts > 0) found.edited('prompt_cut', cuts);
      return cut;
    },
};

/**
 * Words in fours of letters, digits and signs one by one, other scripts by their bytes, so that texts full of signs do not
 * become far longer prompts than others. Cuts only between words.
 */
function cutToPieces(text: string, maxPieces: number): string {
  // Every piece has at least one character, so a short text needs no count.
  if (text.length * 2 <= maxPieces) return text;
  let pieces = 0;
  for (const { 0: word, index } of text.matchAll(/[A-Za-z]+| |[\s\S]/gu)) {
    if (word === ' ') continue;
    const isWord = /^[A-Za-z]/.test(word);
    pieces += isWord ? Math.ceil(word.length / 4) : Math.max(1, Buffer.byteLength(word) - 1);
    if (pieces > maxPieces) return text.slice(0, index).trimEnd();
  }
  return text;
}
