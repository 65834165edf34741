// In: an English word in lower case. Out: its stem by Porter's algorithm (Program 14, 1980) with NLTK's extensions, which
// is what google-research's rouge-score uses.

const IRREGULAR = new Map([
  ['sky', 'sky'],
  ['skies', 'sky'],
  ['dying', 'die'],
  ['lying', 'lie'],
  ['tying', 'tie'],
  ['news', 'news'],
  ['innings', 'inning'],
  ['inning', 'inning'],
  ['outings', 'outing'],
  ['outing', 'outing'],
  ['cannings', 'canning'],
  ['canning', 'canning'],
  ['howe', 'howe'],
  ['proceed', 'proceed'],
  ['exceed', 'exceed'],
  ['succeed', 'succeed'],
]);

/** The first rule whose suffix fits decides, also when its condition fails. */
type Rule = readonly [suffix: string, replacement: string, condition?: (stem: string) => boolean];

export function porterStem(word: string): string {
  const irregular = IRREGULAR.get(word);
  if (irregular !== undefined) return irregular;
  if (word.length <= 2) return word;
  const singular = removePlural(word);
  const present = removePast(singular);
  const withI = replaceSuffix(present, [
    ['y', 'i', (stem) => stem.length > 1 && isConsonant(stem, stem.length - 1)],
  ]);
  const step4 = replaceSuffix(replaceSuffix(doubleSuffix(withI), STEP_3), STEP_4);
  return removeFinal(step4);
}

function removePlural(word: string): string {
  if (word.endsWith('ies') && word.length === 4) return word.slice(0, -1);
  return replaceSuffix(word, [
    ['sses', 'ss'],
    ['ies', 'i'],
    ['ss', 'ss'],
    ['s', ''],
  ]);
}

function removePast(word: string): string {
  if (word.endsWith('ied')) return word.length === 4 ? word.slice(0, -1) : word.slice(0, -2);
  if (word.endsWith('eed')) return measure(word.slice(0, -3)) > 0 ? word.slice(0, -1) : word;
  const suffix = ['ed', 'ing'].find((end) => word.endsWith(end) && hasVowel(word.slice(0, -end.length)));
  if (suffix === undefined) return word;
  const stem = word.slice(0, -suffix.length);
  if (/(?:at|bl|iz)$/.test(stem)) return `${stem}e`;
  const last = stem[stem.length - 1];
  if (stem.length > 1 && last === stem[stem.length - 2] && isConsonant(stem, stem.length - 1)) {
    return 'lsz'.includes(last) ? stem : stem.slice(0, -1);
  }
  return measure(stem) === 1 && endsLikeHop(stem) ? `${stem}e` : stem;
}

function doubleSuffix(word: string): string {
  if (word.endsWith('alli') && measure(word.slice(0, -4)) > 0) return doubleSuffix(word.slice(0, -2));
  return replaceSuffix(word, STEP_2);
}

/** A final e, then one of two final l. */
function removeFinal(word: string): string {
  let result = word;
  if (word.endsWith('e')) {
    const stem = word.slice(0, -1);
    if (measure(stem) > 1 || (measure(stem) === 1 && !endsLikeHop(stem))) result = stem;
  }
  return result.endsWith('ll') && measure(result.slice(0, -1)) > 1 ? result.slice(0, -1) : result;
}

const positive = (stem: string): boolean => measure(stem) > 0;
const long = (stem: string): boolean => measure(stem) > 1;

const STEP_2: Rule[] = [
  ['ational', 'ate', positive],
  ['tional', 'tion', positive],
  ['enci', 'ence', positive],
  ['anci', 'ance', positive],
  ['izer', 'ize', positive],
  ['bli', 'ble', positive],
  ['alli', 'al', positive],
  ['entli', 'ent', positive],
  ['eli', 'e', positive],
  ['ousli', 'ous', positive],
  ['ization', 'ize', positive],
  ['ation', 'ate', positive],
  ['ator', 'ate', positive],
  ['alism', 'al', positive],
  ['iveness', 'ive', positive],
  ['fulness', 'ful', positive],
  ['ousness', 'ous', positive],
  ['aliti', 'al', positive],
  ['iviti', 'ive', positive],
  ['biliti', 'ble', positive],
  ['fulli', 'ful', positive],
  // The l of "logi" belongs to the stem that is measured.
  ['logi', 'log', (stem) => positive(`${stem}l`)],
];

const STEP_3: Rule[] = [
  ['icate', 'ic', positive],
  ['ative', '', positive],
  ['alize', 'al', positive],
  ['iciti', 'ic', positive],
  ['ical', 'ic', positive],
  ['ful', '', positive],
  ['ness', '', positive],
];

const STEP_4: Rule[] = [
  ...['al', 'ance', 'ence', 'er', 'ic', 'able', 'ible', 'ant', 'ement', 'ment', 'ent'].map(
    (end): Rule => [end, '', long],
  ),
  ['ion', '', (stem) => long(stem) && /[st]$/.test(stem)],
  ...['ou', 'ism', 'ate', 'iti', 'ous', 'ive', 'ize'].map((end): Rule => [end, '', long]),
];

function replaceSuffix(word: string, rules: readonly Rule[]): string {
  const rule = rules.find(([suffix]) => word.endsWith(suffix));
  if (!rule) return word;
  const stem = word.slice(0, word.length - rule[0].length);
  return rule[2] && !rule[2](stem) ? word : stem + rule[1];
}

/** c for consonants, v for vowels; y is a vowel after a consonant. */
function pattern(word: string): string {
  let out = '';
  for (const letter of word) {
    const vowel = 'aeiou'.includes(letter) || (letter === 'y' && out.endsWith('c'));
    out += vowel ? 'v' : 'c';
  }
  return out;
}

/** How many vowel groups are followed by a consonant group: [C](VC){m}[V]. */
function measure(stem: string): number {
  return pattern(stem).split('vc').length - 1;
}

function hasVowel(stem: string): boolean {
  return pattern(stem).includes('v');
}

function isConsonant(word: string, at: number): boolean {
  return pattern(word)[at] === 'c';
}

/** Consonant, vowel, consonant other than w, x, y; or, of two letters, vowel and consonant. */
function endsLikeHop(word: string): boolean {
  const shape = pattern(word);
  return (shape.endsWith('cvc') && !/[wxy]$/.test(word)) || shape === 'vc';
}
