// In: text. Out: text with emoji as :names:, names as emoji, or without emoji, as the Python package emoji 2.2.0 does it.
// The table has one name per emoji (the first alias where there is one); variants of skin and of U+FE0F follow by rule.
import rows from './tables/emoji-names.json' with { type: 'json' };

const TONES: Record<string, string> = {
  '\u{1f3fb}': 'light',
  '\u{1f3fc}': 'medium-light',
  '\u{1f3fd}': 'medium',
  '\u{1f3fe}': 'medium-dark',
  '\u{1f3ff}': 'dark',
};
const SELECTOR = '\ufe0f';

interface Node {
  next: Map<string, Node>;
  /** Null in the middle of a sequence. */
  name: string | null;
}

interface Tables {
  root: Node;
  emojiOf: Map<string, string>;
}

let tables: Tables | null = null;

function load(): Tables {
  if (tables !== null) return tables;
  const root: Node = { next: new Map(), name: null };
  const emojiOf = new Map<string, string>();
  const add = (emoji: string, name: string) => {
    for (const sequence of withoutSelectors([...emoji])) {
      let node = root;
      for (const character of sequence) {
        let next = node.next.get(character);
        if (next === undefined) {
          next = { next: new Map(), name: null };
          node.next.set(character, next);
        }
        node = next;
      }
      node.name = name;
    }
  };
  const all = rows.map(([first, english, ...aliases]) => {
    const hasTones = first!.startsWith('+');
    return { emoji: hasTones ? first!.slice(1) : first!, english: english!, aliases, hasTones };
  });
  for (const { emoji, english, aliases, hasTones } of all) {
    add(emoji, aliases[0] ?? english);
    emojiOf.set(english, emoji);
    if (!hasTones) continue;
    const [person, ...rest] = [...emoji];
    if (rest[0] === SELECTOR) rest.shift();
    for (const [tone, word] of Object.entries(TONES)) {
      const variant = person! + tone + rest.join('');
      add(variant, `${english}_${word}_skin_tone`);
      emojiOf.set(`${english}_${word}_skin_tone`, variant);
    }
  }
  for (const { emoji, aliases } of all) for (const alias of aliases) emojiOf.set(alias, emoji);
  tables = { root, emojiOf };
  return tables;
}

/** Every way to leave out some of the selectors. */
function withoutSelectors(characters: string[]): string[][] {
  const at = characters.indexOf(SELECTOR);
  if (at < 0) return [characters];
  const head = characters.slice(0, at);
  return withoutSelectors(characters.slice(at + 1)).flatMap((tail) => [
    [...head, SELECTOR, ...tail],
    [...head, ...tail],
  ]);
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the range is what is not ASCII.
const HAS_EMOJI = /[^\x00-\x7f]|[#*0-9][\ufe0f\u20e3]/;

/** Follows the longest path of the table; where that ends in the middle of a sequence, the first character is no emoji. */
function replaceEmoji(text: string, replacement: (name: string) => string): string {
  if (!HAS_EMOJI.test(text)) return text;
  const { root } = load();
  const characters = [...text];
  let out = '';
  for (let i = 0; i < characters.length; i++) {
    const character = characters[i]!;
    let node = root.next.get(character);
    let end = i + 1;
    while (node !== undefined && end < characters.length) {
      const next = node.next.get(characters[end]!);
      if (next === undefined) break;
      node = next;
      end++;
    }
    if (node !== undefined && node.name !== null) {
      out += replacement(node.name);
      i = end - 1;
    } else if (character !== '\ufe0e' && character !== SELECTOR) out += character;
  }
  return out;
}

export function emojiToNames(text: string): string {
  return replaceEmoji(text, (name) => `:${name}:`);
}

export function removeEmoji(text: string): string {
  return replaceEmoji(text, () => '');
}

const NAME =
  // biome-ignore lint/suspicious/noMisleadingCharacterClass: combining marks count one by one.
  /:([\p{L}\p{N}_\-&.’”“()!#*+?–,/«»\u0300-\u0303\u0308\u030a\u0327\u064b\u064e\u064f\u0650\u0653\u0654]+):/gu;

export function namesToEmoji(text: string): string {
  if (!text.includes(':')) return text;
  return text.replace(NAME, (whole, name: string) => load().emojiOf.get(name.normalize('NFKC')) ?? whole);
}
