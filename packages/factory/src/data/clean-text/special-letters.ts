// In: text and a language. Out: text whose letters of that language are wrapped, so that transliteration leaves them, and
// back. The pairs are clean-text 0.7.1's, faults included: in "sv", ø, ä and ö share one form, so ä comes back as ø.

const WRAP = 'xxxxx';

/** Letter and its ASCII form; upper-case pairs follow. */
const LETTERS: Record<string, string> = {
  de: 'äae üue öoe',
  da: 'ée Æae øoe åaa',
  es: 'áa ée íi óo úu ñn',
  fo: 'áa ðd íi óo úu Æae øoe',
  fr: 'ée àa èe ùu âa êe îoe ôo ûu ëe ïi üu ÿy çc',
  is: 'áa ðd ée íi óo úu ýy þth Æae öoe',
  it: 'áa ée íi óo úu àa èe ìi òo ùu',
  no: 'ée óo èe òo ùu êe ôo Æae øoe åaa',
  sv: 'áa ée íi óo úu èe ýy òo ùu êe ôo ðd þth Æae øoe åaa äoe öoe',
  se: 'åaa äoe öoe',
};
/** Letters without an upper-case form of their own. */
const LOWER_ONLY: Record<string, string> = { de: 'ßss' };

function pairsOf(language: string): [letter: string, ascii: string][] {
  const split = (list: string): [string, string][] =>
    list === '' ? [] : list.split(' ').map((pair) => [pair[0]!, pair.slice(1)]);
  const both = split(LETTERS[language]!);
  const upper = both.map(([letter, ascii]): [string, string] => [letter.toUpperCase(), ascii.toUpperCase()]);
  return [...split(LOWER_ONLY[language] ?? ''), ...both, ...upper];
}

export function wrapLetters(text: string, language: string): string {
  if (!Object.hasOwn(LETTERS, language)) return text;
  let wrapped = text.normalize('NFC');
  for (const [letter, ascii] of pairsOf(language))
    wrapped = wrapped.replaceAll(letter, `${WRAP}${ascii}${WRAP}`);
  return wrapped;
}

export function unwrapLetters(text: string, language: string): string {
  if (!Object.hasOwn(LETTERS, language)) return text;
  let plain = text.normalize('NFC');
  for (const [letter, ascii] of pairsOf(language)) plain = plain.replaceAll(`${WRAP}${ascii}${WRAP}`, letter);
  return plain;
}
