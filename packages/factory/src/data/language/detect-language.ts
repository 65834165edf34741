// In: text. Out: its language as an ISO 639-1 code, how sure that is, and how many letters speak for it. Scripts decide
// first: kana is Japanese, Hangul Korean, Han alone Chinese; words of everyday English are known by themselves, and only
// what is left goes to the n-gram model, which is loaded when it is first needed.
import { NgramModel } from './ngram-model.ts';

export interface Detected {
  /** Empty where there are too few letters to say. */
  language: string;
  /** 0 to 1: the share of letters in the script that decided, or the score of the model. */
  confidence: number;
  letters: number;
}

/** A sample is as good as the whole. */
const SAMPLE_UNITS = 1000;
const NOT_LANGUAGE =
  /```[\s\S]*?(?:```|$)|`[^`\n]*`|https?:\/\/\S+|[A-Za-z0-9._-]+@[A-Za-z0-9.-]+|<[^>\n]{1,80}>|\\[a-zA-Z]+|\$[^$\n]*\$/g;
const MIN_LETTERS = 4;
const MIN_MODEL_LETTERS = 12;

const KANA = /[\p{Script=Hiragana}\p{Script=Katakana}]/gu;
/** Han is first, since it is the likeliest. */
const SCRIPTS: [language: string, pattern: RegExp][] = [
  ['zh', /\p{Script=Han}/gu],
  ['ja', KANA],
  ['ko', /\p{Script=Hangul}/gu],
  ['th', /\p{Script=Thai}/gu],
  ['he', /\p{Script=Hebrew}/gu],
  ['el', /\p{Script=Greek}/gu],
  ['hy', /\p{Script=Armenian}/gu],
  ['ka', /\p{Script=Georgian}/gu],
];
const LATIN_WORD = /[A-Za-z\u00c0-\u024f_]+/g;
const ENGLISH = new Set(
  (
    'the of and to in is you that it he was for on are with as his they be at this have from or had by but not what all ' +
    'were we when your can there an how if do will about which their would these so some her make like him has more go ' +
    'my than who its been now did get i me please write give explain list following name was between does any'
  ).split(' '),
);

export function detectLanguage(text: string): Detected {
  const plain = plainEnglish(text);
  if (plain !== null) return plain;
  const sample = text
    .slice(0, SAMPLE_UNITS * 2)
    .replace(NOT_LANGUAGE, ' ')
    .slice(0, SAMPLE_UNITS);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the range is what ASCII is.
  if (/^[\x00-\x7f]*$/.test(sample)) return detectLatin(sample, sample.match(/[A-Za-z]/g)?.length ?? 0);
  const letters = sample.match(/\p{L}/gu)?.length ?? 0;
  if (letters === 0) return { language: '', confidence: 0, letters };
  const count = (pattern: RegExp) => sample.match(pattern)?.length ?? 0;
  const kana = count(KANA);
  for (const [language, pattern] of SCRIPTS) {
    const own = count(pattern);
    if (own === 0) continue;
    // Japanese writes with both; a few kana among many Han characters are a quotation.
    if (language === 'zh' && kana >= own * 0.1 && kana > 0) {
      const share = (kana + own) / letters;
      if (share > 0.4) return { language: 'ja', confidence: share, letters };
    }
    // A Han character says as much as three letters.
    const weight = language === 'zh' ? 3 : 1;
    const share = (weight * own) / (letters + (weight - 1) * own);
    if (share > 0.4) return { language, confidence: share, letters };
  }
  return detectLatin(sample, letters);
}

/** Most English texts are known by their first words, without a pattern being run; null for all others. */
function plainEnglish(text: string): Detected | null {
  const end = Math.min(text.length, 160);
  let letters = 0;
  let words = 0;
  let english = 0;
  let start = -1;
  for (let at = 0; at <= end; at++) {
    const unit = at < end ? text.charCodeAt(at) : 0x20;
    // Code and addresses are for the long way.
    if (unit > 0x7e || unit === 0x60 || unit === 0x7b || unit === 0x5c || unit === 0x3d) return null;
    const isLetter = (unit | 0x20) >= 0x61 && (unit | 0x20) <= 0x7a;
    if (isLetter) {
      letters++;
      if (start < 0) start = at;
    } else if (start >= 0) {
      words++;
      if (ENGLISH.has(text.slice(start, at).toLowerCase())) english++;
      start = -1;
    }
  }
  if (english < 3 || english < words * 0.3) return null;
  const all = text.length <= end ? letters : Math.round((letters * text.length) / end);
  return { language: 'en', confidence: Math.min(1, 0.6 + english / words), letters: all };
}

function detectLatin(sample: string, letters: number): Detected {
  if (letters < MIN_LETTERS) return { language: '', confidence: 0, letters };
  const words = sample.toLowerCase().match(LATIN_WORD) ?? [];
  const english = words.filter((word) => ENGLISH.has(word)).length;
  if (words.length > 0 && english >= 2 && english / words.length >= 0.25)
    return { language: 'en', confidence: Math.min(1, 0.6 + english / words.length), letters };
  // Of words alone, names and code the model makes a guess.
  const isIdentifier = words.length > 0 && words.length < 3 && sample.length < 40;
  if (letters < MIN_MODEL_LETTERS || isIdentifier) return { language: '', confidence: 0, letters };
  model ??= new NgramModel();
  const { language, score, isReliable } = model.guess(sample);
  return language === ''
    ? { language, confidence: 0, letters }
    : { language: isReliable ? language : '', confidence: score, letters };
}

/** Its tables take a quarter of a second and some memory, in every thread: most data never needs them. */
let model: NgramModel | null = null;
