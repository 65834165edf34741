// In: text. Out: ASCII that stands for it, as Unidecode 1.3.6 has it: Han by Mandarin syllables, kana by romaji, and so on;
// nothing for what it does not know. The tables are those of the npm package, corrected where Unidecode says otherwise.
import unidecode from 'unidecode';
import corrections from './tables/unidecode-corrections.json' with { type: 'json' };

const corrected = new Map<number, string>();
for (const [ascii, characters] of Object.entries(corrections))
  for (const character of characters) corrected.set(character.codePointAt(0)!, ascii);

const known = new Map<string, string>();

export function transliterate(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the range is what is not ASCII.
  return text.replace(/[^\x00-\x7f]/gu, (character) => {
    let ascii = known.get(character);
    if (ascii === undefined) {
      ascii = one(character);
      known.set(character, ascii);
    }
    return ascii;
  });
}

function one(character: string): string {
  const code = character.codePointAt(0)!;
  const exact = corrected.get(code);
  if (exact !== undefined) return exact;
  if (code < 0x10000) return unidecode(character).replace(/\[\?\] ?/, '');
  // Mathematical letters are the letters that they look like.
  return code >= 0x1d400 && code <= 0x1d7ff ? transliterate(character.normalize('NFKC')) : '';
}
