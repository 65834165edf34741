// In: text. Out: whether it looks like mojibake (text that was decoded with the wrong code page). The heuristic is that of
// ftfy 6.3.1: the some 400 characters of which mojibake is made fall into classes, and neighbours of certain classes
// hardly ever meet on purpose.

const COMMON = '\\xa0\\xad´·–—―’…';
const C1 = '\\x80-\\x9f';
/** Nearly always mojibake. */
const BAD = '¤¦¨ª¬¯¸ºƒˆˇ˘˛˜†‡‰⌐◊\\ufffd';
const LAW = '§¶';
const CURRENCY = '¢£¥₧€';
const OPENING = '¡©«¿΄΅‘‚“„•‹\\uf8ff';
const CLOSING = '®»˝”›™';
const NUMERIC = '±²³µ¹¼½¾×÷⁄№∂∆∏∑√∞∩∫≈≠≡≤≥';
/** Letters that make faces. */
const KAOMOJI = '°Ò-ÖÙ-Üò-öø-üŌŐŪŲ';
const UPPER_ACCENTED = 'À-ÑØÜÝĀĂĄĆČĎĐĒĖĘĚĞĢĪİĶĹĻĽŁŃŅŇŒŘŚŞŠŢŤŮŰŸŹŻŽҐ';
const LOWER_ACCENTED = 'ß-ñüāăąćčďđēėęěğģīįķĺļľłœŕśşšťźżžґﬁﬂ';
/** Greek and Cyrillic: they end words, so that what follows them may be punctuation. */
const UPPER_COMMON = 'ÞΆΈΉΊΌΎΏΑ-ΫЁ-Я';
const LOWER_COMMON = 'ά-ωа-џ';
/** Without the single horizontal line, which is used in faces. */
const BOX = '│┌┐┘├┤┬┼═-╬▀▄█▌▐-▓';

const ACCENTED = LOWER_ACCENTED + UPPER_ACCENTED;
/** `\s` and `\w` as Python has them. */
const SPACE = '[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';
const WORD = '[\\p{L}\\p{N}_]';
const SYMBOLIC = `${BOX}${OPENING}${CLOSING}${CURRENCY}${NUMERIC}${LAW}`;
const ARABIC_SECOND = `[${COMMON}${CURRENCY}${BAD}${NUMERIC}${OPENING}ŸŠ®°µ»]`;

const PATTERNS = [
  `[${C1}]`,
  `[${BAD}${ACCENTED}${SYMBOLIC}][${BAD}]`,
  `[a-zA-Z][${LOWER_COMMON}${UPPER_COMMON}][${BAD}]`,
  `[${BAD}][${ACCENTED}${SYMBOLIC}]`,
  `[${LOWER_ACCENTED}${LOWER_COMMON}${BOX}${CLOSING}${CURRENCY}${NUMERIC}][${UPPER_ACCENTED}]`,
  `[${BOX}${CLOSING}${CURRENCY}${NUMERIC}][${LOWER_ACCENTED}]`,
  `[${LOWER_ACCENTED}${BOX}${CLOSING}][${CURRENCY}]`,
  `${SPACE}[${UPPER_ACCENTED}][${CURRENCY}]`,
  `[${UPPER_ACCENTED}${BOX}][${NUMERIC}${LAW}]`,
  `[${ACCENTED}${BOX}${CURRENCY}${CLOSING}][${OPENING}][${NUMERIC}]`,
  `[${ACCENTED}${CURRENCY}${NUMERIC}${BOX}${LAW}][${CLOSING}][${OPENING}]`,
  `[${CURRENCY}${NUMERIC}${BOX}][${OPENING}]`,
  `[a-z][${UPPER_ACCENTED}][${OPENING}${CURRENCY}]`,
  `[${BOX}][${KAOMOJI}]`,
  `[${ACCENTED}${CURRENCY}${NUMERIC}${OPENING}${CLOSING}${LAW}][${BOX}]`,
  `[${BOX}][${CLOSING}]`,
  `[${ACCENTED}][${OPENING}${CLOSING}]${WORD}`,
  '[Œœ][^A-Za-z]',
  `[${UPPER_ACCENTED}]°`,
  // Windows-1252: two bytes of Latin-1, Greek or Cyrillic letters.
  `[ÂÃÎÐ][€œŠš¢£Ÿž\\xa0\\xad®©°·»${OPENING}${CLOSING}–—´]`,
  '×[²³]',
  // Arabic in Windows-1252 has common characters too, so two letters are asked for.
  `[ØÙ]${ARABIC_SECOND}[ØÙ]${ARABIC_SECOND}`,
  // South Asian scripts in Windows-1252.
  'à[²µ¹¼½¾]',
  // MacRoman.
  '√[±∂†≠®™´≤≥¥µø]',
  '≈[°¢]',
  '‚Ä[ìîïòôúùû†°¢π]',
  '‚[âó][àä°ê]',
  // Windows-1251: U+2000 and on; then Latin-1 or Cyrillic; then twice decoded.
  'вЂ',
  `[ВГРС][${C1}${BAD}${OPENING}${CLOSING}${CURRENCY}°µ][ВГРС]`,
  'ГўВЂВ[^\\n][A-Za-z ]',
  // à, á and the no-break space in Windows-1252.
  'Ã[\\xa0¡]',
  `[a-z]${SPACE}?[ÃÂ] `,
  '^[ÃÂ] ',
  `[a-z.,?!${CLOSING}]Â[ ${OPENING}${CLOSING}]`,
  // Windows-1253 and Windows-1257.
  'β€[™\\xa0Ά\\xad®°]',
  `[ΒΓΞΟ][${C1}${BAD}${OPENING}${CLOSING}${CURRENCY}°][ΒΓΞΟ]`,
  'ā€',
];

const BADNESS = new RegExp(PATTERNS.join('|'), 'u');
/** Every pattern has such a character; CJK text mostly has none, and is done after one scan. */
const SUSPECT = /[\x80-\u04ff\u2018-\u201e\u2020-\u25ff\uf8ff\ufb01\ufb02\ufffd]/;

export function looksLikeMojibake(text: string): boolean {
  return SUSPECT.test(text) && BADNESS.test(text);
}
