// In: a text. Out: the same with everything that must survive a rewriting (code, addresses, placeholders, numbers, names given by
// the caller) replaced by ⟦n⟧, and the way back. A rewriting that loses, doubles or invents a mark has no way back.

const KEPT = [
  /```[\s\S]*?```|`[^`\n]+`/, // code
  /\$\$[\s\S]+?\$\$|\$[^$\n]+\$/, // maths
  /https?:\/\/[^\s<>"'，。；）]+/, // addresses
  /[\w.+-]+@[\w-]+(?:\.[\w-]+)+/, // e-mail
  /\{\{?[\w.-]+\}?\}|<[A-Za-z_][\w-]*>|\[[A-Z_]{2,}\]|%[sd]/, // placeholders
  /[\p{Sc}]?\d+(?:[.,:/-]\d+)*\s?%?/u, // numbers, dates, amounts
]
  .map((pattern) => pattern.source)
  .join('|');

export interface Masked {
  text: string;
  /** Null when a mark is missing, doubled or unknown. */
  restore(rewritten: string): string | null;
  /** How many places are masked. */
  count: number;
}

/** `names` are words that must survive too, such as products or the label of the row. */
export function mask(text: string, names: readonly string[] = []): Masked {
  const kept: string[] = [];
  const own = names
    .filter((name) => name.trim() !== '')
    .sort((a, b) => b.length - a.length)
    .map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const pattern = new RegExp([...own, KEPT].join('|'), 'gu');
  const masked = text
    .replaceAll('⟦', '[')
    .replaceAll('⟧', ']')
    .replace(pattern, (found) => {
      const trailing = /\s*$/.exec(found)![0];
      kept.push(found.slice(0, found.length - trailing.length));
      return `⟦${kept.length}⟧${trailing}`;
    });
  return {
    text: masked,
    count: kept.length,
    restore(rewritten) {
      const seen = new Set<number>();
      let broken = false;
      const text = rewritten.replace(/⟦\s*(\d+)\s*⟧/g, (_, digits: string) => {
        const number = Number(digits);
        if (number < 1 || number > kept.length || seen.has(number)) broken = true;
        seen.add(number);
        return kept[number - 1] ?? '';
      });
      return broken || seen.size !== kept.length || /[⟦⟧]/.test(text) ? null : text;
    },
  };
}

/** The numbers of a text in any width, in order of size: what a variant must keep. */
export function numbersOf(text: string): string[] {
  return (text.normalize('NFKC').match(/\d+(?:[.,]\d+)*/g) ?? []).map((n) => n.replaceAll(',', '')).sort();
}
