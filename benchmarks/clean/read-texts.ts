// In: a folder with text, CSV and JSON files, or none. Out: sentences as lists of units: words in English, characters in
// Chinese. Without a folder, sentences are put together from lists of words, so that the benchmark runs anywhere.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { seededRandom } from '../../packages/factory/src/records/seeded-random.ts';

export function readTexts(folder: string | null): { en: string[][]; zh: string[][] } {
  const texts = { en: [] as string[][], zh: [] as string[][] };
  if (folder !== null) {
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(csv|jsonl?|txt)$/.test(name))
      .sort();
    for (const name of files) {
      for (const line of readFileSync(join(folder, name), 'utf8').split(/["\n]|\\n/)) {
        const han = line.match(/\p{Script=Han}/gu);
        const words = line.toLowerCase().match(/[a-z']+/g);
        if (han && han.length >= 8) texts.zh.push(han);
        else if (words && words.length >= 6) texts.en.push(words);
      }
    }
  }
  if (texts.en.length < 100) texts.en = invented('words');
  if (texts.zh.length < 100) texts.zh = invented('characters');
  return texts;
}

/** Syllables or characters at random: a vocabulary of 3,000, each with some 20 that may follow. */
function invented(kind: 'words' | 'characters'): string[][] {
  const random = seededRandom(`texts/${kind}`);
  const syllable = () => `${'bcdfghklmnprstvw'[random.int(16)]}${'aeiou'[random.int(5)]}`;
  const vocabulary = Array.from({ length: 3000 }, (_, i) =>
    kind === 'words'
      ? Array.from({ length: 1 + random.int(3) }, syllable).join('')
      : String.fromCodePoint(0x4e00 + i),
  );
  return Array.from({ length: 4000 }, () =>
    Array.from({ length: 15 }, () => vocabulary[Math.floor(random.next() ** 2 * 3000)]!),
  );
}
