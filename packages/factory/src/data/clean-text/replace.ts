// In: text. Out: text in which what a pattern finds is replaced by a token. One function for each kind that clean-text 0.7.1
// knows; tokens are taken literally.
import {
  CODE,
  CURRENCIES,
  CURRENCY,
  EMAIL_BEFORE,
  EMAIL_DOMAIN,
  EMAIL_LOCAL,
  EMAIL_NAME,
  EMAIL_SIGN,
  FILE_PATH,
  IP,
  NUMBER,
  PHONE,
  URL,
} from './patterns.ts';

const by = (pattern: RegExp) => (text: string, token: string) => text.replace(pattern, () => token);

export const replaceUrls = by(URL);
export const replacePhoneNumbers = by(PHONE);
export const replaceIpAddresses = by(IP);
export const replaceFilePaths = by(FILE_PATH);
export const replaceNumbers = by(NUMBER);
export const replaceDigits = by(/\p{Nd}/gu);
export const replaceCode = by(CODE);
/** Underscores are punctuation; symbols such as + and < are not. */
export const replacePunctuation = by(/\p{P}/gu);

/** Null: three-letter codes. */
export function replaceCurrencySymbols(text: string, token: string | null): string {
  if (token !== null) return text.replace(CURRENCY, () => token);
  let coded = text;
  for (const [symbol, code] of Object.entries(CURRENCIES)) coded = coded.replaceAll(symbol, code);
  return coded;
}

/**
 * From every sign outwards, which takes linear time where one pattern would try every start: local parts are letters,
 * digits, "+", "-" and single dots; the domain needs two characters after its last dot.
 */
export function replaceEmails(text: string, token: string): string {
  let out = '';
  let done = 0;
  // A domain that fails has no good ending, nor have those that begin within it.
  let hopelessUntil = 0;
  EMAIL_SIGN.lastIndex = 0;
  for (;;) {
    const sign = EMAIL_SIGN.exec(text);
    if (sign === null) break;
    const after = sign.index + sign[0].length;
    // Bracketed signs may share a bracket: the next search begins one further on.
    EMAIL_SIGN.lastIndex = sign.index + 1;
    if (sign.index < done || after < hopelessUntil) continue;
    const start = localStart(text, sign.index, done);
    if (start < 0) continue;
    EMAIL_DOMAIN.lastIndex = after;
    if (!EMAIL_DOMAIN.test(text)) {
      EMAIL_NAME.lastIndex = after;
      if (EMAIL_NAME.test(text)) hopelessUntil = EMAIL_NAME.lastIndex;
      continue;
    }
    out += text.slice(done, start) + token;
    done = EMAIL_DOMAIN.lastIndex;
  }
  return out + text.slice(done);
}

/** Where the longest local part before `end` begins, not before `from`; -1 where there is none. */
function localStart(text: string, end: number, from: number): number {
  let start = -1;
  let at = end;
  let next = '';
  while (at > from) {
    const character = characterBefore(text, at);
    if (character === '.') {
      // Neither last nor followed by another dot.
      if (next === '' || next === '.') break;
    } else if (!EMAIL_LOCAL.test(character)) break;
    else if (!EMAIL_BEFORE.test(characterBefore(text, at - character.length))) start = at - character.length;
    next = character;
    at -= character.length;
  }
  return start;
}

function characterBefore(text: string, at: number): string {
  if (at <= 0) return '';
  const isPair =
    at >= 2 && (text.charCodeAt(at - 1) & 0xfc00) === 0xdc00 && (text.charCodeAt(at - 2) & 0xfc00) === 0xd800;
  return text.slice(isPair ? at - 2 : at - 1, at);
}
