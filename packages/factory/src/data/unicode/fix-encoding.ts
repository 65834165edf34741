// In: text. Out: the text with mojibake undone, and the plan that undid it: a list of steps that reads like ftfy's and says
// why the text changed. Text that does not look like mojibake is left alone. After ftfy 6.3.1.
import { looksLikeMojibake } from './badness.ts';
import { fixC1Controls } from './character-fixes.ts';
import { CODE_PAGE_NAMES, type CodePageName, charactersOf, fitsCodePage, toCodePage } from './code-pages.ts';
import { decodeUtf8, decodeUtf8Variants, replaceLossySequences, restoreByteA0 } from './utf8.ts';

export type PlanStep = readonly [
  action: 'encode' | 'decode' | 'transcode' | 'apply' | 'normalize',
  parameter: string,
];

export interface EncodingOptions {
  /** Read a space as a no-break space where that makes a sequence whole. */
  restoreByteA0: boolean;
  /** Read sequences that lost a byte as U+FFFD. */
  replaceLossySequences: boolean;
  /** Mend pieces of mojibake in text that is otherwise right. */
  decodeInconsistentUtf8: boolean;
  fixC1Controls: boolean;
}

export const ALL_ENCODING_FIXES: EncodingOptions = {
  restoreByteA0: true,
  replaceLossySequences: true,
  decodeInconsistentUtf8: true,
  fixC1Controls: true,
};

export interface Explained {
  text: string;
  plan: PlanStep[];
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the range is what ASCII is.
const ASCII = /^[\x00-\x7f]*$/;
const C1_CONTROL = /[\x80-\x9f]/;
/** Bytes that Windows-1252 leaves open. */
const OPEN_IN_1252 = /[\x81\x8d\x8f\x90\x9d]/;

export function fixEncoding(text: string, options: EncodingOptions = ALL_ENCODING_FIXES): Explained {
  const plan: PlanStep[] = [];
  let current = text;
  for (;;) {
    const next = fixOnce(current, options);
    plan.push(...next.plan);
    if (next.text === current) return { text: current, plan };
    current = next.text;
  }
}

function fixOnce(text: string, options: EncodingOptions): Explained {
  const unchanged: Explained = { text, plan: [] };
  if (ASCII.test(text) || !looksLikeMojibake(text)) return unchanged;
  for (const page of CODE_PAGE_NAMES) {
    if (!fitsCodePage(text, page)) continue;
    const decoded = asUtf8(toCodePage(text, page), page, options);
    if (decoded !== null) return { text: decoded.text, plan: [['encode', page], ...decoded.plan] };
  }
  if (options.decodeInconsistentUtf8) {
    const fixed = decodeInconsistentUtf8(text, options);
    if (fixed !== text) return { text: fixed, plan: [['apply', 'decode_inconsistent_utf8']] };
  }
  // Latin-1 with C1 controls was meant to be Windows-1252.
  if (fitsCodePage(text, 'latin-1') && !OPEN_IN_1252.test(text)) {
    const fixed = fixC1Controls(text);
    if (fixed === text) return unchanged;
    return {
      text: fixed,
      plan: [
        ['encode', 'latin-1'],
        ['decode', 'windows-1252'],
      ],
    };
  }
  if (options.fixC1Controls && C1_CONTROL.test(text))
    return { text: fixC1Controls(text), plan: [['transcode', 'fix_c1_controls']] };
  return unchanged;
}

function asUtf8(encoded: Uint8Array, page: CodePageName, options: EncodingOptions): Explained | null {
  const plan: PlanStep[] = [];
  let bytes = encoded;
  // In MacRoman the pattern would match an en dash before a space.
  const restored = options.restoreByteA0 && page !== 'macroman' ? restoreByteA0(bytes) : null;
  if (restored !== null) {
    bytes = restored;
    plan.push(['transcode', 'restore_byte_a0']);
  }
  const replaced =
    options.replaceLossySequences && page.startsWith('sloppy') ? replaceLossySequences(bytes) : null;
  if (replaced !== null) {
    bytes = replaced;
    plan.push(['transcode', 'replace_lossy_sequences']);
  }
  const variants = bytes.includes(0xed) || bytes.includes(0xc0);
  const text = variants ? decodeUtf8Variants(bytes) : decodeUtf8(bytes);
  if (text === null) return null;
  plan.push(['decode', variants ? 'utf-8-variants' : 'utf-8']);
  return { text, plan };
}

/** What bytes of a range are in any Latin-1-like page, as the inside of a character class. */
function clue(first: number, last: number, without = ''): string {
  const found = new Set<string>();
  for (const page of CODE_PAGE_NAMES.slice(0, 7))
    for (const c of charactersOf(page, first, last)) found.add(c);
  for (const c of without) found.delete(c);
  return [...found].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');
}

const CONTINUATION = `${clue(0x80, 0xbf)} `;
/** Without what often stands for itself beside mojibake: dashes, quotes, the bullet and the ellipsis. */
const STRICT_CONTINUATION = clue(0x80, 0xbf, '–—―‘’‚“”„•…');
/** Neighbouring sequences are taken together. Four-byte sequences of any use begin with F0 or F3. */
const EMBEDDED_UTF8 = new RegExp(
  `(?<![${STRICT_CONTINUATION}])(?:[${clue(0xc2, 0xdf)}][${CONTINUATION}]` +
    `|[${clue(0xe0, 0xef)}][${CONTINUATION}]{2}|[${clue(0xf0, 0xf0)}${clue(0xf3, 0xf3)}][${CONTINUATION}]{3})+`,
  'g',
);

function decodeInconsistentUtf8(text: string, options: EncodingOptions): string {
  // A match that is the whole text was tried already.
  return text.replace(EMBEDDED_UTF8, (piece) =>
    piece.length < text.length && looksLikeMojibake(piece) ? fixEncoding(piece, options).text : piece,
  );
}
