// In: HTML as mail programs write it. Out: the words a reader would see, one line per block.
// A reader for data preparation, not a browser: no styles, no scripts, no layout.

const NAMED: Record<string, string> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: ' ',
  copy: '©',
  reg: '®',
  trade: '™',
  ndash: '–',
  mdash: '—',
  hellip: '…',
  lsquo: '‘',
  rsquo: '’',
  ldquo: '“',
  rdquo: '”',
  bull: '•',
  middot: '·',
  eacute: 'é',
  pound: '£',
  euro: '€',
  cent: '¢',
};

export function htmlToText(html: string): string {
  const words = html
    .replace(/<!--[\s\S]*?(-->|$)/g, '')
    .replace(/<(script|style|head|title)\b[\s\S]*?(<\/\1\s*>|$)/gi, ' ')
    // Line ends inside HTML are plain spaces.
    .replace(/\s+/g, ' ')
    .replace(/<(br|p|div|tr|table|ul|ol|li|h[1-6]|hr|blockquote|center)\b[^>]*>/gi, '\n')
    .replace(/<\/(p|div|tr|table|h[1-6]|li|blockquote|center)\s*>/gi, '\n')
    .replace(/<\/t[dh]\s*>/gi, ' ')
    // Inline tags vanish without a space: spammers split words with them.
    .replace(/<[!/?a-z][^>]*(>|$)/gi, '');
  return decodeEntities(words);
}

function decodeEntities(text: string): string {
  return text.replace(/&(#x[0-9a-f]{1,6}|#\d{1,7}|[a-z]{2,8});?/gi, (whole, name: string) => {
    if (!name.startsWith('#')) return NAMED[name.toLowerCase()] ?? whole;
    const code = /^#x/i.test(name) ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1));
    const isScalar = code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
    return isScalar ? String.fromCodePoint(code) : ' ';
  });
}
