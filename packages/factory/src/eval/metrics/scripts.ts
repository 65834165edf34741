// In: text. Out: the script that most of its words are written in, and whether that fits a language.
// A Han, kana or Hangul character counts as a word, as does a run of letters of another script; code blocks do not count.

const SCRIPTS = {
  Han: /\p{Script=Han}/gu,
  Kana: /[\p{Script=Hiragana}\p{Script=Katakana}]/gu,
  Hangul: /\p{Script=Hangul}/gu,
  Latin: /\p{Script=Latin}+/gu,
  Cyrillic: /\p{Script=Cyrillic}+/gu,
  Arabic: /\p{Script=Arabic}+/gu,
  Hebrew: /\p{Script=Hebrew}+/gu,
  Greek: /\p{Script=Greek}+/gu,
  Thai: /\p{Script=Thai}+/gu,
  Devanagari: /\p{Script=Devanagari}+/gu,
} as const;

export type Script = keyof typeof SCRIPTS;

export const LANGUAGE_SCRIPTS = {
  zh: 'Han',
  ja: 'Kana',
  ko: 'Hangul',
  en: 'Latin',
  de: 'Latin',
  fr: 'Latin',
  es: 'Latin',
  it: 'Latin',
  pt: 'Latin',
  vi: 'Latin',
  id: 'Latin',
  tr: 'Latin',
  ru: 'Cyrillic',
  uk: 'Cyrillic',
  ar: 'Arabic',
  fa: 'Arabic',
  he: 'Hebrew',
  el: 'Greek',
  th: 'Thai',
  hi: 'Devanagari',
} as const satisfies Record<string, Script>;

export type Language = keyof typeof LANGUAGE_SCRIPTS;

/** Japanese writes most content words in Han: this share of kana among both tells it from Chinese. */
const KANA_SHARE = 0.1;

/** Null where there are no letters. Han with kana in between is Kana. */
export function dominantScript(text: string): Script | null {
  const prose = text.replace(/```[\s\S]*?(?:```|$)/g, ' ');
  const counts = new Map<Script, number>();
  for (const script of Object.keys(SCRIPTS) as Script[]) {
    counts.set(script, prose.match(SCRIPTS[script])?.length ?? 0);
  }
  const [han, kana] = [counts.get('Han')!, counts.get('Kana')!];
  if (kana > 0 && kana >= KANA_SHARE * (han + kana)) counts.set('Kana', han + kana).set('Han', 0);
  const [script, count] = [...counts].reduce((best, other) => (other[1] > best[1] ? other : best));
  return count === 0 ? null : script;
}

export function isWrittenLike(text: string, language: Language): boolean {
  return dominantScript(text) === LANGUAGE_SCRIPTS[language];
}
