// In: a row. Out: the languages of its prompt and its answer, rows in a language that is not wanted, and answers in another
// language than their prompt without being asked for it. A row with few letters is never judged.
import type { CleanRow } from '#factory/records/clean-row.ts';
import type { RowStep } from '../clean-step.ts';
import { type Detected, detectLanguage } from './detect-language.ts';

/** Fewer letters say too little to drop a row. */
const MIN_LETTERS = 20;
const MIN_HAN = 8;
const ASKS_FOR_LANGUAGE =
  /translat|翻译|译成|译为|英文|英语|中文|汉语|日语|日文|法语|德语|西班牙语|韩语|俄语|in (?:english|chinese|french|german|spanish|japanese|korean|russian|italian)|english|chinese|language|语言|grammar|语法|code|代码|程序|sql|python|regex/i;

export const languageStep: RowStep = {
  kind: 'row',
  name: 'language',
  version: 1,
  title: { en: 'Language', zh: '语言' },
  options: {
    allow: {
      type: 'texts',
      default: [],
      role: 'score',
      text: {
        en: 'codes of languages that answers may be in, such as zh and en; none: all',
        zh: '允许的回答语言代码，例如 zh、en；空表示全部允许',
      },
    },
    max_unwanted: {
      type: 'integer',
      default: 0,
      role: 'decide',
      optional: true,
      min: 0,
      text: { en: 'null keeps rows in other languages', zh: '设为 null 则保留其他语言的行' },
    },
    max_mismatch: {
      type: 'integer',
      default: 0,
      role: 'decide',
      optional: true,
      min: 0,
      text: { en: 'null: no flag for answers in another language', zh: '设为 null 则不标记语言不一致' },
    },
  },
  scores: {
    confidence: { en: 'how sure the language of the answer is (0 to 1)', zh: '回答语言的可信度（0 到 1）' },
    unwanted: {
      en: '1 where the answer is in a language that is not allowed',
      zh: '回答语言不在允许之列时为 1',
    },
    mismatch: { en: '1 where prompt and answer are in different languages', zh: '提示与回答语言不同时为 1' },
  },
  labels: {
    prompt: { en: 'language of the prompt', zh: '提示的语言' },
    answer: { en: 'language of the answer', zh: '回答的语言' },
  },
  reasons: {
    unwanted_language: {
      verdict: 'drop',
      rule: { score: 'unwanted', when: 'above', option: 'max_unwanted' },
      text: { en: 'the answer is in a language that is not allowed', zh: '回答的语言不在允许之列' },
    },
    language_mismatch: {
      verdict: 'keep',
      rule: { score: 'mismatch', when: 'above', option: 'max_mismatch' },
      text: {
        en: 'the answer is in another language than the prompt, which did not ask for it',
        zh: '回答与提示语言不同，而提示并未要求',
      },
    },
  },
  create: ({ allow }) => {
    const allowed = new Set(allow as string[]);
    return (row, found) => {
      const asked = row.prompt.map(({ content }) => content).join('\n');
      const prompt = detectLanguage(row.kind === 'text' ? '' : asked);
      const answer = detectLanguage(row.kind === 'text' ? asked : answerOf(row));
      found.label('prompt', prompt.language);
      found.label('answer', answer.language);
      found.score('confidence', answer.confidence);
      found.score('unwanted', allowed.size > 0 && isSure(answer) && !allowed.has(answer.language) ? 1 : 0);
      const differs = isSure(prompt) && isSure(answer) && prompt.language !== answer.language;
      found.score('mismatch', differs && !ASKS_FOR_LANGUAGE.test(asked) ? 1 : 0);
      return row;
    };
  },
};

function isSure({ language, letters, confidence }: Detected): boolean {
  return language !== '' && letters >= (language === 'zh' ? MIN_HAN : MIN_LETTERS) && confidence >= 0.4;
}

function answerOf({ response }: CleanRow): string {
  return response.find(({ content }) => content !== '')?.content ?? '';
}
