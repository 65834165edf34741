// In: a text and a stream of random numbers. Out: a variant that says the same in another form, without a model; null where the
// method has nothing to change. Masked places are never touched, except by the methods that are about numbers and width.
import { Converter } from 'opencc-js';
import type { SeededRandom } from '#factory/records/seeded-random.ts';
import { homophones } from './homophones.ts';
import { mask } from './mask.ts';
import { otherNumbers } from './numerals.ts';

export type TextMethod = 'script' | 'typo' | 'homophone' | 'width' | 'number';

export const TEXT_METHODS: Readonly<
  Record<TextMethod, (text: string, random: SeededRandom) => string | null>
> = {
  script: otherScript,
  typo: (text, random) => inOpenText(text, (part) => withTypo(part, random)),
  homophone: (text, random) => inOpenText(text, (part) => withHomophone(part, random)),
  width: otherWidth,
  number: (text) => otherNumbers(text),
};

let converters: Record<'toSimplified' | 'toTraditional', (text: string) => string> | null = null;

/** Traditional becomes simplified; simplified becomes traditional as written in Taiwan, words included. */
function otherScript(text: string): string | null {
  converters ??= {
    toSimplified: Converter({ from: 'twp', to: 'cn' }),
    toTraditional: Converter({ from: 'cn', to: 'twp' }),
  };
  const { toSimplified, toTraditional } = converters;
  return inOpenText(text, (part) => {
    const simplified = toSimplified(part);
    const other = simplified === part ? toTraditional(part) : simplified;
    return other === part ? null : other;
  });
}

/** Two letters change places, one is doubled, or one is left out: what fingers do. First and last letters stay. */
function withTypo(text: string, random: SeededRandom): string | null {
  const words = [...text.matchAll(/[A-Za-z]{4,}/g)];
  if (words.length === 0) return null;
  const { 0: word, index } = words[random.int(words.length)]!;
  const at = 1 + random.int(word.length - 2);
  const how = random.int(3);
  let wrong = `${word.slice(0, at)}${word.slice(at + 1)}`;
  if (how === 1) wrong = `${word.slice(0, at)}${word[at]}${word.slice(at)}`;
  if (how === 2 && at + 2 < word.length && word[at] !== word[at + 1])
    wrong = `${word.slice(0, at)}${word[at + 1]}${word[at]}${word.slice(at + 2)}`;
  return `${text.slice(0, index)}${wrong}${text.slice(index + word.length)}`;
}

function withHomophone(text: string, random: SeededRandom): string | null {
  const places = [...text.matchAll(/\p{Script=Han}/gu)];
  for (const { 0: character, index } of random.shuffle(places)) {
    const others = homophones(character);
    if (others.length > 0)
      return `${text.slice(0, index)}${others[random.int(others.length)]}${text.slice(index + character.length)}`;
  }
  return null;
}

/** Full-width letters, digits and signs become half-width; where there are none, half-width letters and digits become full. */
function otherWidth(text: string): string | null {
  if (/[\uff01-\uff5e]/.test(text))
    return text.replace(/[\uff01-\uff5e]/g, (c) => String.fromCharCode(c.charCodeAt(0) - 0xfee0));
  const masked = mask(text);
  const open = masked.text.split(/(⟦\d+⟧)/);
  const wide = open.map((part) =>
    part.startsWith('⟦')
      ? part
      : part.replace(/[0-9A-Za-z]/g, (c) => String.fromCharCode(c.charCodeAt(0) + 0xfee0)),
  );
  const changed = masked.restore(wide.join(''));
  return changed === text ? null : changed;
}

/** Changes the masked text as a whole; a change that touches a mark is given up. */
function inOpenText(text: string, change: (masked: string) => string | null): string | null {
  const masked = mask(text);
  const changed = change(masked.text);
  return changed === null ? null : masked.restore(changed);
}
