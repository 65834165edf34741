// In: text and the options of clean() of clean-text 0.7.1, by their own names. Out: what that function gives, character for
// character, damage included: it was made for features of English texts, and by default turns Chinese into pinyin and
// breaks code. For fine-tuning data see safe-text/. One difference: named escapes (\N{...}) are left as they are.
import { FactoryError } from '#factory/errors.ts';
import { FTFY_DEFAULTS, fixText } from '../unicode/fix-text.ts';
import { emojiToNames, namesToEmoji, removeEmoji } from './emoji-names.ts';
import { SPACE } from './patterns.ts';
import { decodePythonEscapes } from './python-escapes.ts';
import {
  replaceCode,
  replaceCurrencySymbols,
  replaceDigits,
  replaceEmails,
  replaceFilePaths,
  replaceIpAddresses,
  replaceNumbers,
  replacePhoneNumbers,
  replacePunctuation,
  replaceUrls,
} from './replace.ts';
import { unwrapLetters, wrapLetters } from './special-letters.ts';
import { transliterate } from './transliterate.ts';

export interface CleanTextOptions {
  fix_unicode: boolean;
  to_ascii: boolean;
  lower: boolean;
  normalize_whitespace: boolean;
  no_line_breaks: boolean;
  strip_lines: boolean;
  keep_two_line_breaks: boolean;
  no_code: boolean;
  no_urls: boolean;
  no_emails: boolean;
  no_phone_numbers: boolean;
  no_ip_addresses: boolean;
  no_file_paths: boolean;
  no_numbers: boolean;
  no_digits: boolean;
  no_currency_symbols: boolean;
  no_punct: boolean;
  no_emoji: boolean;
  replace_with_code: string;
  replace_with_url: string;
  replace_with_email: string;
  replace_with_phone_number: string;
  replace_with_ip_address: string;
  replace_with_file_path: string;
  replace_with_number: string;
  replace_with_digit: string;
  replace_with_currency_symbol: string | null;
  replace_with_punct: string;
  lang: string;
  /** Patterns whose matches stay as they are. */
  exceptions: readonly string[];
}

export const CLEAN_TEXT_DEFAULTS: CleanTextOptions = {
  fix_unicode: true,
  to_ascii: true,
  lower: true,
  normalize_whitespace: true,
  no_line_breaks: false,
  strip_lines: true,
  keep_two_line_breaks: false,
  no_code: false,
  no_urls: false,
  no_emails: false,
  no_phone_numbers: false,
  no_ip_addresses: false,
  no_file_paths: false,
  no_numbers: false,
  no_digits: false,
  no_currency_symbols: false,
  no_punct: false,
  no_emoji: false,
  replace_with_code: '<CODE>',
  replace_with_url: '<URL>',
  replace_with_email: '<EMAIL>',
  replace_with_phone_number: '<PHONE>',
  replace_with_ip_address: '<IP>',
  replace_with_file_path: '<FILE_PATH>',
  replace_with_number: '<NUMBER>',
  replace_with_digit: '0',
  replace_with_currency_symbol: '<CUR>',
  replace_with_punct: '',
  lang: 'en',
  exceptions: [],
};

/** The function for one set of options; patterns are compiled once. */
export function cleaner(given: Partial<CleanTextOptions>): (text: string) => string {
  const o: CleanTextOptions = { ...CLEAN_TEXT_DEFAULTS, ...given };
  const exceptions = o.exceptions.map(compile);
  const language = o.lang.toLowerCase();
  return (raw) => {
    const kept: [placeholder: string, original: string][] = [];
    let text = protect(raw, exceptions, kept);
    if (o.fix_unicode) text = fixText(decodePythonEscapes(text), FTFY_DEFAULTS);
    if (o.no_currency_symbols) text = replaceCurrencySymbols(text, o.replace_with_currency_symbol);
    if (o.no_code) text = replaceCode(text, o.replace_with_code);
    if (o.to_ascii) text = toAscii(text, language, o.no_emoji);
    if (o.no_urls) text = replaceUrls(text, o.replace_with_url);
    if (o.no_emails) text = replaceEmails(text, o.replace_with_email);
    if (o.no_phone_numbers) text = replacePhoneNumbers(text, o.replace_with_phone_number);
    if (o.no_ip_addresses) text = replaceIpAddresses(text, o.replace_with_ip_address);
    if (o.no_file_paths) text = replaceFilePaths(text, o.replace_with_file_path);
    if (o.no_numbers) text = replaceNumbers(text, o.replace_with_number);
    if (o.no_digits) text = replaceDigits(text, o.replace_with_digit);
    if (o.no_punct) text = replacePunctuation(text, o.replace_with_punct);
    if (o.no_emoji && !o.to_ascii) text = removeEmoji(text);
    if (o.lower) text = text.toLowerCase();
    if (o.normalize_whitespace) text = normalizeWhitespace(text, o);
    for (const [placeholder, original] of kept) text = text.replaceAll(placeholder, () => original);
    return text;
  };
}

const SINGLE_QUOTE = /[‘‛’❛❜`´]/g;
const DOUBLE_QUOTE = /[«‹»›„“‟”❝❞❮❯〝〞〟＂]/g;

function toAscii(text: string, language: string, dropEmoji: boolean): string {
  let ascii = text.replace(SINGLE_QUOTE, "'").replace(DOUBLE_QUOTE, '"');
  if (!dropEmoji) ascii = emojiToNames(ascii);
  ascii = unwrapLetters(transliterate(wrapLetters(ascii, language)), language);
  return dropEmoji ? ascii : namesToEmoji(ascii);
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: separators of files and records end lines in Python.
const LINES = /\r\n|[\n-\r\x1c-\x1e\x85\u2028\u2029]/;
const SPACES = new RegExp(`[${SPACE}]+`, 'g');
const OUTER_SPACES = new RegExp(`^[${SPACE}]+|(?<![${SPACE}])[${SPACE}]+$`, 'g');
/** A run of white space that does not begin with a line feed, which it may hold further on. */
const SPACES_IN_LINE = new RegExp(`(?!\\n)[${SPACE}]+`, 'g');

const strip = (text: string) => text.replace(OUTER_SPACES, '');

function normalizeWhitespace(text: string, options: CleanTextOptions): string {
  let plain = text;
  if (options.strip_lines) {
    const lines = plain.split(LINES);
    if (lines.at(-1) === '') lines.pop();
    plain = lines.map(strip).join('\n');
  }
  if (options.no_line_breaks) return strip(plain.replace(SPACES, ' '));
  plain = options.keep_two_line_breaks
    ? plain.replace(/(?:\r\n|[\n\v])+(?:\r\n|[\n\v])+/g, '\n\n')
    : plain.replace(/(?:\r\n|[\n\v])+/g, '\n');
  return strip(plain.replace(SPACES_IN_LINE, ' '));
}

function compile(pattern: string): RegExp {
  try {
    return new RegExp(pattern, 'gu');
  } catch (cause) {
    throw new FactoryError({
      code: 'DATA_BAD_RECIPE',
      message: `clean-text.exceptions: ${JSON.stringify(pattern)} is no regular expression`,
      remedy: 'Write the exception as a regular expression of JavaScript with the flag u.',
      cause,
    });
  }
}

/** Matches become words that no step changes; from back to front, so that positions hold. */
function protect(text: string, exceptions: readonly RegExp[], kept: [string, string][]): string {
  let current = text;
  for (const pattern of exceptions) {
    for (const match of [...current.matchAll(pattern)].reverse()) {
      const placeholder = `zxzexcept${letters(kept.length)}zxz`;
      kept.push([placeholder, match[0]]);
      current = current.slice(0, match.index) + placeholder + current.slice(match.index + match[0].length);
    }
  }
  return current;
}

/** 0 → a, 25 → z, 26 → aa. */
function letters(index: number): string {
  const last = String.fromCharCode(0x61 + (index % 26));
  return index < 26 ? last : letters(Math.floor(index / 26) - 1) + last;
}
