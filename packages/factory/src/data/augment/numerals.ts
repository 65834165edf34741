// In: a text. Out: its small whole numbers written otherwise: 12 ↔ 十二 in Chinese, 12 → twelve in English, 12000 ↔ 12,000.

const DIGITS = '零一二三四五六七八九';
const ENGLISH = [
  ...['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten', 'eleven'],
  ...['twelve', 'thirteen', 'fourteen', 'fifteen', 'sixteen', 'seventeen', 'eighteen', 'nineteen', 'twenty'],
];

/** 0 to 9,999, as one reads it: 十二, 二十, 一百零五, 两 is not used. */
export function chineseNumeral(n: number): string {
  if (n < 10) return DIGITS[n]!;
  let text = '';
  let zero = false;
  for (const [unit, name] of [
    [1000, '千'],
    [100, '百'],
    [10, '十'],
    [1, ''],
  ] as const) {
    const digit = Math.floor(n / unit) % 10;
    if (digit === 0) zero = text !== '';
    else {
      text += `${zero ? '零' : ''}${DIGITS[digit]}${name}`;
      zero = false;
    }
  }
  return n >= 10 && n < 20 ? text.slice(1) : text;
}

/** The same numbers in another form, or null where there is none to change. */
export function otherNumbers(text: string): string | null {
  const isHan = /\p{Script=Han}/u.test(text);
  const grouped = /(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])/g;
  const alone = /(?<![\d.,:/\p{L}-])\d{1,6}(?![\d:/\p{L}%-]|[.,]\d)/gu;
  const changed = grouped.test(text)
    ? text.replace(grouped, (n) => n.replaceAll(',', ''))
    : text.replace(isHan ? /(?<![\dA-Za-z.,:/-])\d{1,6}(?![\dA-Za-z:/%-]|[.,]\d)/g : alone, (digits) => {
        const n = Number(digits);
        // A leading zero or a long number is a code, not an amount.
        if (digits.length > 1 && digits.startsWith('0')) return digits;
        if (n >= 10_000) return n.toLocaleString('en-US');
        if (isHan) return chineseNumeral(n);
        return ENGLISH[n] ?? digits;
      });
  return changed === text ? null : changed;
}
