// In: an answer and a reference. Out: exact match and F1 as CMRC 2018's script (v5) has them: Han characters one by one,
// English by words, and F1 from the longest common run, not from the bag of tokens.
import { splitWords, trim } from './words.ts';

const REMOVED = new Set('-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』');
const HAN = /[\u4e00-\u9fa5]/;
/** NLTK's tokenizer sets these apart; contractions and quotes it treats further. */
const ASCII_MARKS = /[[\](){}<>?!;@#$%&"]|,(?!\d)|\.(?=\s*$)/g;

export function cmrcExact(answer: string, reference: string): number {
  return Number(withoutPunctuation(answer) === withoutPunctuation(reference));
}

export function cmrcF1(answer: string, reference: string): number {
  const [found, expected] = [tokensOf(answer), tokensOf(reference)];
  const run = longestRun(found, expected);
  if (run === 0) return 0;
  const [precision, recall] = [run / found.length, run / expected.length];
  return (2 * precision * recall) / (precision + recall);
}

function withoutPunctuation(text: string): string {
  return [...trim(text.toLowerCase())].filter((character) => !REMOVED.has(character)).join('');
}

function tokensOf(text: string): string[] {
  const tokens: string[] = [];
  let other = '';
  const flush = (): void => {
    tokens.push(...splitWords(other.replace(ASCII_MARKS, ' $& ')));
    other = '';
  };
  for (const character of withoutPunctuation(text)) {
    if (HAN.test(character)) {
      flush();
      tokens.push(character);
    } else other += character;
  }
  flush();
  return tokens;
}

/** Length of the longest run of tokens that both have. */
function longestRun(a: readonly string[], b: readonly string[]): number {
  let longest = 0;
  let above = new Int32Array(b.length + 1);
  for (const token of a) {
    const row = new Int32Array(b.length + 1);
    for (let j = 1; j <= b.length; j++) {
      if (token === b[j - 1]) row[j] = above[j - 1] + 1;
      longest = Math.max(longest, row[j]);
    }
    above = row;
  }
  return longest;
}
