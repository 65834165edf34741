// In: nothing. Out: the patterns of clean-text 0.7.1 in JavaScript: \w, \d, \s and \b are Python's (Unicode), and its host
// class is kept with its fault: it has the ASCII characters from 0 to \ (with : ; < = > ? @ [) and no letter beyond ASCII.
// Nested repetition is written flat, which matches the same and takes linear time.

const W = '\\p{L}\\p{N}_';
const D = '\\p{Nd}';
export const SPACE = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
const BOUNDARY = `(?:(?<=[${W}])(?![${W}])|(?<![${W}])(?=[${W}]))`;
const HOST = '[0-\\\\a-z\\u0130\\u0131\\u017f\\u212a]';
const LABEL = `${HOST}+(?:-${HOST}+)*`;
const NAME = `${LABEL}(?:\\.${LABEL})*`;
const DOMAIN = `${NAME}\\.${HOST}{2,}`;

export const CURRENCIES: Readonly<Record<string, string>> = {
  $: 'USD',
  zł: 'PLN',
  '£': 'GBP',
  '¥': 'JPY',
  '฿': 'THB',
  '₡': 'CRC',
  '₦': 'NGN',
  '₩': 'KRW',
  '₪': 'ILS',
  '₫': 'VND',
  '€': 'EUR',
  '₱': 'PHP',
  '₲': 'PYG',
  '₴': 'UAH',
  '₹': 'INR',
};
export const CURRENCY = /(?:[$£¥฿₡₦₩₪₫€₱₲₴₹]|zł)+/gu;

export const CODE = new RegExp(`(\`{3,})[${W}]*\\n[^]*?\\1|\`[^\`\\n]+\``, 'gu');

/** Public addresses only; then names; then localhost. */
const PUBLIC_IP =
  `(?!(?:10|127)(?:\\.${D}{1,3}){3})(?!(?:169\\.254|192\\.168)(?:\\.${D}{1,3}){2})` +
  `(?!172\\.(?:1[6-9]|2${D}|3[0-1])(?:\\.${D}{1,3}){2})` +
  `(?:[1-9]${D}?|1${D}${D}|2[01]${D}|22[0-3])(?:\\.(?:1?${D}{1,2}|2[0-4]${D}|25[0-5])){2}` +
  `\\.(?:[1-9]${D}?|1${D}${D}|2[0-4]${D}|25[0-4])`;
export const URL = new RegExp(
  `(?<![${W}/.])(?:https?://|ftp://|www${D}{0,3}\\.)(?:[^${SPACE}]+@)?(?:${PUBLIC_IP}|${DOMAIN}|localhost)` +
    `(?::${D}{2,5})?(?:/[^)\\]}${SPACE}]*)?`,
  'giu',
);

/** What stands between the two halves of an address. */
export const EMAIL_SIGN = /@|[([{<]at[)\]}>]/gi;
export const EMAIL_LOCAL = new RegExp(`[${W}+-]`, 'u');
/** After this, no address begins. */
export const EMAIL_BEFORE = new RegExp(`[${W}@.)]$`, 'u');
export const EMAIL_DOMAIN = new RegExp(DOMAIN, 'iuy');
/** As far as labels and dots go on. */
export const EMAIL_NAME = new RegExp(NAME, 'iuy');

export const PHONE = new RegExp(
  `(?<![${W})])(?:(?:00${D}{1,3}|\\+?[01]|\\+${D}{2})[ .-]?)?(?:\\(?${D}{3,4}\\)?/?[ .-]?)?${D}{3}[ .-]?${D}{4}` +
    `(?:[${SPACE}]?(?:ext\\.?|[#x-])[${SPACE}]?${D}{2,6})?(?![${W}])|\\+?${D}{4,5}[ ./]${D}{6,9}`,
  'gu',
);

const V4 = '(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)(?:\\.(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)){3}';
const H = '[0-9a-f]{1,4}';
const V6 = [
  `(?:${H}:){7}${H}`,
  `(?:${H}:){1,7}:`,
  `(?:${H}:){1,6}:${H}`,
  `(?:${H}:){1,5}(?::${H}){1,2}`,
  `(?:${H}:){1,4}(?::${H}){1,3}`,
  `(?:${H}:){1,3}(?::${H}){1,4}`,
  `(?:${H}:){1,2}(?::${H}){1,5}`,
  `${H}:(?::${H}){1,6}`,
  `:(?::${H}){1,7}`,
  `::(?:ffff(?::0{1,4})?:)?${V4}`,
  `(?:${H}:){1,4}:${V4}`,
  '::',
].join('|');
export const IP = new RegExp(`(?<![^${SPACE}])(?:${V6})(?![^${SPACE}])|${BOUNDARY}${V4}${BOUNDARY}`, 'giu');

const SEGMENT = `[${W}.@+-]+`;
export const FILE_PATH = new RegExp(
  `(?<![^${SPACE}])(?:(?:~|\\.\\.?)(?:/${SEGMENT})+|(?:/${SEGMENT}){2,}` +
    `|[A-Za-z]:\\\\(?:${SEGMENT}\\\\)*${SEGMENT})(?![^${SPACE}])`,
  'gu',
);

export const NUMBER = new RegExp(
  `(?<=[a-zA-Z])${D}+|${D}+(?=[a-zA-Z])|(?<![${W},.])[+–-]?(?:[1-9]${D}{0,2}(?:,${D}{3})+(?:\\.${D}*)?` +
    `|[1-9]${D}{0,2}(?:[ .]${D}{3})+(?:,${D}*)?|${D}*?[.,]${D}+|${D}+)(?:(?=\\n?(?![^]))|${BOUNDARY})`,
  'gu',
);
