// In: text. Out: text with one kind of unwanted character mended, each kind by its own function; the same string where there
// is nothing to mend. What each leaves alone, on purpose, is what ftfy 6.3.1 leaves alone.
import { charactersOf } from './code-pages.ts';

const C1_CONTROL = /[\x80-\x9f]/g;
const WINDOWS_1252_UPPER = charactersOf('sloppy-windows-1252', 0x80, 0x9f);

/** C1 controls as browsers read them: as Windows-1252. */
export function fixC1Controls(text: string): string {
  return text.replace(C1_CONTROL, (control) => WINDOWS_1252_UPPER[control.charCodeAt(0) - 0x80]!);
}

/** Latin ligatures and digraphs of old code pages; æ and œ are letters and stay. */
const LIGATURES: Record<string, string> = {
  Ĳ: 'IJ',
  ĳ: 'ij',
  ŉ: 'ʼn',
  Ǳ: 'DZ',
  ǲ: 'Dz',
  ǳ: 'dz',
  Ǆ: 'DŽ',
  ǅ: 'Dž',
  ǆ: 'dž',
  Ǉ: 'LJ',
  ǈ: 'Lj',
  ǉ: 'lj',
  Ǌ: 'NJ',
  ǋ: 'Nj',
  ǌ: 'nj',
  ﬀ: 'ff',
  ﬁ: 'fi',
  ﬂ: 'fl',
  ﬃ: 'ffi',
  ﬄ: 'ffl',
  ﬅ: 'ſt',
  ﬆ: 'st',
};
const LIGATURE = /[\u0132\u0133\u0149\u01c4-\u01cc\u01f1-\u01f3\ufb00-\ufb06]/g;

export function fixLatinLigatures(text: string): string {
  return text.replace(LIGATURE, (ligature) => LIGATURES[ligature]!);
}

/** Half- and full-width forms and the ideographic space to their common width. Full-width Chinese punctuation goes too. */
export function fixCharacterWidth(text: string): string {
  return text.replace(/[\u3000\uff01-\uffef]/g, (form) => (form === '\u3000' ? ' ' : form.normalize('NFKC')));
}

export function uncurlQuotes(text: string): string {
  return text.replace(/[\u201c-\u201f]/g, '"').replace(/[\u02bc\u2018-\u201b]/g, "'");
}

export function fixLineBreaks(text: string): string {
  return text.replace(/\r\n|[\r\u2028\u2029\x85]/g, '\n');
}

/** A surrogate without its pair is no character. */
export function fixSurrogates(text: string): string {
  return text.toWellFormed();
}

/** ANSI sequences that end in a letter, such as colours. */
export function removeTerminalEscapes(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one.
  return text.replace(/\x1b\[[\d;]*[a-zA-Z]/g, '');
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is removed.
const CONTROL = /[\x00-\x08\x0b\x0e-\x1f\x7f\u206a-\u206f\ufeff\ufff9-\ufffc]/g;

/**
 * Controls without effect on the text, the byte order mark, annotation and object marks. White space, joiners, direction
 * marks and tag characters stay.
 */
export function removeControlChars(text: string): string {
  return text.replace(CONTROL, '');
}
