// In: a row. Out: a score card of its answer that needs no model, each line a number with its threshold and its reason. Only
// endless repetition drops a row by default; the rest are flags for people, since every one of them is sometimes right.
import type { CleanRow } from '#factory/records/clean-row.ts';
import type { OptionSpec, RowStep } from '../clean-step.ts';
import {
  characterRepetition,
  compressionRatio,
  echo,
  hasBoilerplate,
  isRefusal,
  lineRepetition,
  looksTruncated,
  unclosed,
} from './measures.ts';

const threshold = (value: number | null, en: string, zh: string, max?: number): OptionSpec => ({
  type: 'number',
  default: value,
  role: 'decide',
  optional: true,
  min: 0,
  ...(max === undefined ? {} : { max }),
  text: { en, zh },
});
const rule = (score: string, when: 'above' | 'below', option: string) => ({ score, when, option });

/** Answers that are longer are measured by their beginning. */
const MEASURED_UNITS = 20_000;

export const qualityStep: RowStep = {
  kind: 'row',
  name: 'quality',
  version: 1,
  title: { en: 'Quality score card', zh: '质量评分卡' },
  options: {
    ngram: {
      type: 'integer',
      default: 10,
      role: 'score',
      min: 1,
      max: 100,
      text: { en: 'characters of the n-grams that repetition counts', zh: '统计重复所用 n 元组的字符数' },
    },
    truncated_chars: {
      type: 'integer',
      default: 300,
      role: 'score',
      min: 1,
      text: { en: 'shorter answers may end as they like', zh: '短于此长度的回答不判断是否截断' },
    },
    max_repetition: threshold(0.6, 'most share of repeated character n-grams', '字符 n 元组重复比例上限', 1),
    max_line_repetition: threshold(0.5, 'most share of repeated lines', '重复行字符比例上限', 1),
    min_compression: threshold(0.12, 'least bytes after compression by bytes before', '压缩率下限', 1),
    max_echo: threshold(0.9, 'most share of the answer that repeats the prompt', '回答照抄提示的比例上限', 1),
    max_refusals: threshold(0, 'null: refusals have no flag', '设为 null 则不标记拒答'),
    max_boilerplate: threshold(0, 'null: phrases of assistants have no flag', '设为 null 则不标记助手套话'),
    max_truncated: threshold(0, 'null: open ends have no flag', '设为 null 则不标记疑似截断'),
    max_unclosed: threshold(
      0,
      'most fences, environments or JSON left open',
      '未闭合的代码块、环境或 JSON 上限',
    ),
    max_chars_per_prompt_char: threshold(
      null,
      'longest answer by length of the prompt',
      '回答与提示长度之比上限',
    ),
  },
  scores: {
    repetition: { en: 'share of repeated character n-grams', zh: '字符 n 元组重复比例' },
    line_repetition: { en: 'share of characters in repeated lines', zh: '重复行字符比例' },
    compression: { en: 'compressed size by size', zh: '压缩率' },
    echo: { en: 'share of the answer that is in the prompt', zh: '回答与提示重合比例' },
    refusal: { en: '1 where the answer refuses', zh: '拒答为 1' },
    boilerplate: { en: '1 where the answer speaks of itself as an assistant', zh: '含助手套话为 1' },
    truncated: { en: '1 where the answer stops within a sentence', zh: '疑似截断为 1' },
    unclosed: { en: 'fences, environments or JSON left open', zh: '未闭合的代码块、环境或 JSON 数' },
    length_ratio: { en: 'length of the answer by length of the prompt', zh: '回答与提示长度之比' },
  },
  reasons: {
    repetitive: {
      verdict: 'drop',
      rule: rule('repetition', 'above', 'max_repetition'),
      text: { en: 'the answer says the same over and over', zh: '回答反复重复同样的内容' },
    },
    repeated_lines: {
      verdict: 'keep',
      rule: rule('line_repetition', 'above', 'max_line_repetition'),
      text: { en: 'many lines of the answer are repeated', zh: '回答中有大量重复行' },
    },
    compresses_well: {
      verdict: 'keep',
      rule: rule('compression', 'below', 'min_compression'),
      text: { en: 'the answer has little content for its length', zh: '回答内容相对其长度过少' },
    },
    echoes_prompt: {
      verdict: 'keep',
      rule: rule('echo', 'above', 'max_echo'),
      text: { en: 'the answer repeats the prompt', zh: '回答照抄提示' },
    },
    refusal: {
      verdict: 'keep',
      rule: rule('refusal', 'above', 'max_refusals'),
      text: { en: 'the answer refuses', zh: '回答为拒答' },
    },
    assistant_boilerplate: {
      verdict: 'keep',
      rule: rule('boilerplate', 'above', 'max_boilerplate'),
      text: { en: 'the answer speaks of itself as an assistant', zh: '回答含助手套话' },
    },
    truncated_answer: {
      verdict: 'keep',
      rule: rule('truncated', 'above', 'max_truncated'),
      text: { en: 'the answer seems to be cut off', zh: '回答疑似被截断' },
    },
    unclosed_block: {
      verdict: 'keep',
      rule: rule('unclosed', 'above', 'max_unclosed'),
      text: { en: 'a code fence, environment or JSON is left open', zh: '代码块、环境或 JSON 未闭合' },
    },
    long_for_prompt: {
      verdict: 'drop',
      rule: rule('length_ratio', 'above', 'max_chars_per_prompt_char'),
      text: { en: 'the answer is long for its prompt', zh: '回答相对提示过长' },
    },
  },
  create: (options) => {
    const ngram = options.ngram as number;
    const truncatedChars = options.truncated_chars as number;
    return (row, found) => {
      const prompt = row.kind === 'text' ? '' : row.prompt.map(({ content }) => content).join('\n');
      const answer = answerOf(row).slice(0, MEASURED_UNITS);
      found.score('repetition', characterRepetition(answer, ngram));
      found.score('line_repetition', lineRepetition(answer));
      found.score('compression', compressionRatio(answer));
      found.score('echo', echo(prompt, answer));
      found.score('refusal', isRefusal(answer) ? 1 : 0);
      found.score('boilerplate', hasBoilerplate(answer) ? 1 : 0);
      found.score('truncated', looksTruncated(answer, truncatedChars) ? 1 : 0);
      found.score('unclosed', unclosed(answer));
      found.score('length_ratio', prompt === '' ? Number.NaN : answer.length / prompt.length);
      return row;
    };
  },
};

/** The good answer of a preference; the text itself where there is no answer. */
function answerOf({ kind, prompt, response }: CleanRow): string {
  if (kind === 'text') return prompt[0]?.content ?? '';
  return response.find(({ content }) => content !== '')?.content ?? '';
}
