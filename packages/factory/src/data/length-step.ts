// In: a row. Out: the lengths of its prompt and answer; rows without words, and rows out of bounds, go.
// Lengths are characters as people count them (code points), not tokens: no tokenizer is known here.
import { type CleanRow, textsOf } from '#factory/records/clean-row.ts';
import type { RowStep } from './clean-step.ts';

export const lengthStep: RowStep = {
  kind: 'row',
  name: 'length',
  version: 2,
  title: { en: 'Length', zh: '长度' },
  options: {
    min_prompt_letters: {
      type: 'integer',
      default: 1,
      role: 'decide',
      optional: true,
      min: 0,
      text: {
        en: 'fewest letters, digits and symbols of the user turns',
        zh: '用户各轮最少的字母、数字与符号个数',
      },
    },
    min_answer_signs: {
      type: 'integer',
      default: 1,
      role: 'decide',
      optional: true,
      min: 0,
      text: { en: 'fewest visible signs of the answer', zh: '回答最少的可见字符数' },
    },
    max_chars: {
      type: 'integer',
      default: 200_000,
      role: 'decide',
      optional: true,
      min: 1,
      text: { en: 'most characters of the whole row', zh: '整行最多字符数' },
    },
  },
  scores: {
    prompt_letters: {
      en: 'letters, digits and symbols of the user turns',
      zh: '用户各轮的字母、数字与符号个数',
    },
    answer_signs: { en: 'visible signs of the answer', zh: '回答的可见字符数' },
    chars: { en: 'characters of the whole row', zh: '整行字符数' },
  },
  reasons: {
    no_prompt_words: {
      verdict: 'drop',
      rule: { score: 'prompt_letters', when: 'below', option: 'min_prompt_letters' },
      text: { en: 'the prompt has too few words', zh: '提示中的文字过少' },
    },
    no_answer_words: {
      verdict: 'drop',
      rule: { score: 'answer_signs', when: 'below', option: 'min_answer_signs' },
      text: { en: 'the answer is blank or too short', zh: '回答为空或过短' },
    },
    too_long: {
      verdict: 'drop',
      rule: { score: 'chars', when: 'above', option: 'max_chars' },
      text: { en: 'the row is very long', zh: '该行过长' },
    },
  },
  create: () => (row, found) => {
    found.score('prompt_letters', countWords(row.prompt, /[\p{L}\p{N}\p{S}]/gu));
    // An answer may be one sign, such as "+" or an emoji; a blank one teaches silence.
    found.score('answer_signs', answerSigns(row));
    found.score('chars', rowChars(row));
    return row;
  },
};

function countWords(messages: CleanRow['prompt'], pattern: RegExp): number {
  let count = 0;
  for (const { role, content } of messages)
    if (role !== 'assistant') count += content.match(pattern)?.length ?? 0;
  return count;
}

function answerSigns({ kind, response }: CleanRow): number {
  if (kind === 'text') return Number.NaN;
  // The other side of feedback is empty by definition, and a rejected answer may be.
  return Math.max(0, ...response.map(({ content }) => content.match(/[^\s\p{C}]/gu)?.length ?? 0));
}

function rowChars(row: CleanRow): number {
  let chars = 0;
  for (const { text } of textsOf(row)) chars += codePoints(text);
  return chars;
}

function codePoints(text: string): number {
  let count = text.length;
  for (let at = 0; at < text.length; at++) if ((text.charCodeAt(at) & 0xfc00) === 0xd800) count--;
  return count;
}
