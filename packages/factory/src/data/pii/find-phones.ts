// In: text and countries in order of trust. Out: phone numbers, also those that touch Han characters. A number counts where
// libphonenumber knows it for valid in one of the countries or by its country code; beside a word such as "phone" any
// plausible row of digits does. Dates, decimals, order numbers and longer digit rows do not.
import { type CountryCode, type PhoneNumber, parsePhoneNumberFromString } from 'libphonenumber-js/max';
import type { Add } from './find-numbers.ts';

/** Digits with the separators that people write in phone numbers, seven digits at least. */
const CANDIDATE =
  /(?<![\dA-Za-z./_=#-]|\d[ ,])(?:\+ ?|00)?(?:\(\+?\d{1,4}\) ?)?\d(?:[ ./-]{0,2}[\d()]){5,18}\d(?: ?(?:x|ext\.?|转|分机) ?\d{1,6})?(?![\d_%]|[A-Za-z]\d|[.,:/-]\d)/giu;
const MOBILE = /^(?:86)?1[3-9]\d{9}$/;
const DOTTED_QUAD = /^\d{1,3}(?:\.\d{1,3}){3}$/;
/** What surrogates.ts writes; see there. */
const MADE_UP = /^(?:00)?\d{0,3}100/;
const DATE =
  /^(?:19|20)\d{2}[-/. ]?(?:0?[1-9]|1[0-2])[-/. ]?(?:0?[1-9]|[12]\d|3[01])(?:\D|$)|^\d{1,2}[-/.]\d{1,2}[-/.](?:19|20)\d{2}/;
const PHONE_WORD =
  /(?:电话|手机号?码?|联系方式|座机|热线|传真|致电|拨打|微信|phone|mobile|cell|telephone|tel|call(?: me)?|fax|desk|dial|contact|messages? to|reach (?:me|us)|text me|whatsapp|answering|(?:my|our|new|old|the|his|her) number)(?: (?:number|no|is|at|on|me|us))*(?:[^\d\n]{0,16}|[:：]\s{1,3}[(+]?)$/i;
const OTHER_WORD =
  /(?:订单|运单|单号|快递|物流|流水|编号|序列号|邮编|价格|金额|身份证|卡号|order|tracking|invoice|serial|isbn|zip|price|amount|ssn|social security|card|licen[cs]e|iban|account|\bid)[^\d\n]{0,20}$/i;
/** A label that follows, as in lists of contacts. */
const LABEL = /^[ -]{0,2}(?:\(?(?:office|fax|mobile|cell|phone|home|work|tel)\b|办公|传真|手机)/i;

export function findPhones(text: string, countries: readonly string[], add: Add): void {
  for (const match of text.matchAll(CANDIDATE)) {
    const written = trimBrackets(match[0]);
    const start = match.index + match[0].indexOf(written);
    const before = text.slice(Math.max(0, start - 40), start);
    const hasWord = PHONE_WORD.test(before) || LABEL.test(text.slice(start + written.length));
    const value = phoneValue(written, before, hasWord, countries);
    if (value !== null) add('phone', start, start + written.length, value);
  }
}

function trimBrackets(written: string): string {
  const opened = (written.match(/\(/g) ?? []).length;
  const closed = (written.match(/\)/g) ?? []).length;
  return opened < closed ? written.replace(/\)+$/, '') : written;
}

/** E.164 where the number is known, its digits otherwise; null for what is no phone number. */
function phoneValue(
  written: string,
  before: string,
  nearWord: boolean,
  countries: readonly string[],
): string | null {
  const digits = written.replace(/(?:x|ext\.?|转|分机).*$/, '').replace(/\D/g, '');
  if (digits.length < 7 || digits.length > 15 || DATE.test(written) || DOTTED_QUAD.test(written)) return null;
  if (MOBILE.test(digits) && !OTHER_WORD.test(before)) return `+86${digits.slice(-11)}`;
  const isInternational = /^ *(?:\+|00)/.test(written);
  const known = isInternational ? parse(written.replace(/^00/, '+')) : null;
  if (known?.isValid()) return known.nationalNumber.startsWith('100') ? null : known.number;
  if (!isInternational && digits.startsWith('100')) return null;
  const hasWord = nearWord && !OTHER_WORD.test(before);
  if (!isInternational && (hasWord || !OTHER_WORD.test(before))) {
    for (const country of countries) {
      const local = parse(written, country as CountryCode);
      if (!local?.isValid() || !looksLike(written, country, hasWord)) continue;
      // One written without the area code is a landline of somewhere, or any number at all.
      return local.number;
    }
  }
  return hasWord && !MADE_UP.test(digits) && plausible(written) ? digits : null;
}

function parse(written: string, country?: CountryCode): PhoneNumber | undefined {
  return parsePhoneNumberFromString(written, country);
}

/** Bare digits are a phone number only in the forms that a country writes without separators. */
function looksLike(written: string, country: string, hasWord: boolean): boolean {
  if (hasWord) return true;
  if (country === 'CN') return /^\(?0\d{2,3}|^[48]00/.test(written);
  return /[ ().-]/.test(written) && !/^\d+[.]\d+$/.test(written) && !/^\d{1,2} \d/.test(written);
}

/** Groups of digits, not a price or a row of small numbers. */
function plausible(written: string): boolean {
  return !/^\d+[.,]\d+$/.test(written) && !/(?:^|\D)\d(?:\D\d)+(?:\D|$)/.test(written);
}
