// In: text and which kinds of damage to mend. Out: mended text, segment by segment (a segment is a line), with the plan that
// was followed. The behaviour is that of ftfy 6.3.1, with one difference: the options of fix_encoding hold everywhere, whereas
// ftfy's fix_text forgets them.
import {
  fixC1Controls,
  fixCharacterWidth,
  fixLatinLigatures,
  fixLineBreaks,
  fixSurrogates,
  removeControlChars,
  removeTerminalEscapes,
  uncurlQuotes,
} from './character-fixes.ts';
import { ALL_ENCODING_FIXES, type EncodingOptions, fixEncoding, type PlanStep } from './fix-encoding.ts';
import { unescapeHtml } from './html-entities.ts';

export interface FixTextOptions extends EncodingOptions {
  /** `auto`: until the first `<` of the text, after which it is taken for HTML. */
  unescapeHtml: boolean | 'auto';
  fixEncoding: boolean;
  fixLatinLigatures: boolean;
  fixCharacterWidth: boolean;
  uncurlQuotes: boolean;
  fixLineBreaks: boolean;
  fixSurrogates: boolean;
  removeTerminalEscapes: boolean;
  removeControlChars: boolean;
  normalization: 'NFC' | 'NFD' | 'NFKC' | 'NFKD' | null;
}

/** ftfy's defaults: made for Western text; width and quotes are punctuation in Chinese. */
export const FTFY_DEFAULTS: FixTextOptions = {
  ...ALL_ENCODING_FIXES,
  unescapeHtml: 'auto',
  fixEncoding: true,
  fixLatinLigatures: true,
  fixCharacterWidth: true,
  uncurlQuotes: true,
  fixLineBreaks: true,
  fixSurrogates: true,
  removeTerminalEscapes: true,
  removeControlChars: true,
  normalization: 'NFC',
};

/** Longer segments are cut, which bounds the time that one may take. In UTF-16 units. */
const SEGMENT_UNITS = 1_000_000;

// biome-ignore lint/suspicious/noControlCharactersInRegex: the range is what needs no mending.
const PLAIN = /^[\t\n\x0c\x20-\x25\x27-\x7e]*$/;

interface Fixer {
  name: string;
  on: (options: FixTextOptions) => boolean;
  fix: (text: string) => string;
}

const FIXERS: readonly Fixer[] = [
  { name: 'fix_c1_controls', on: (o) => o.fixC1Controls, fix: fixC1Controls },
  { name: 'fix_latin_ligatures', on: (o) => o.fixLatinLigatures, fix: fixLatinLigatures },
  { name: 'fix_character_width', on: (o) => o.fixCharacterWidth, fix: fixCharacterWidth },
  { name: 'uncurl_quotes', on: (o) => o.uncurlQuotes, fix: uncurlQuotes },
  { name: 'fix_line_breaks', on: (o) => o.fixLineBreaks, fix: fixLineBreaks },
  { name: 'fix_surrogates', on: (o) => o.fixSurrogates, fix: fixSurrogates },
  { name: 'remove_terminal_escapes', on: (o) => o.removeTerminalEscapes, fix: removeTerminalEscapes },
  { name: 'remove_control_chars', on: (o) => o.removeControlChars, fix: removeControlChars },
];

/** Called for every segment that changed. */
type OnPlan = (plan: readonly PlanStep[], before: string, after: string) => void;

export function fixText(text: string, options: FixTextOptions = FTFY_DEFAULTS, onPlan?: OnPlan): string {
  if (PLAIN.test(text)) return text;
  let { unescapeHtml } = options;
  let fixed = '';
  let start = 0;
  while (start < text.length) {
    const newline = text.indexOf('\n', start);
    let end = newline < 0 ? text.length : newline + 1;
    if (end - start > SEGMENT_UNITS) end = start + SEGMENT_UNITS;
    if (end < text.length && (text.charCodeAt(end - 1) & 0xfc00) === 0xd800) end++;
    const segment = text.slice(start, end);
    // Once a line has had a tag, entities stay escaped in all later lines too.
    if (unescapeHtml === 'auto' && segment.includes('<')) unescapeHtml = false;
    if (PLAIN.test(segment)) fixed += segment;
    else {
      const { text: after, plan } = fixSegment(segment, { ...options, unescapeHtml });
      fixed += after;
      if (onPlan !== undefined && after !== segment) onPlan(plan, segment, after);
    }
    start = end;
  }
  return fixed;
}

/** One segment as a whole, over and over until nothing changes. */
export function fixSegment(
  text: string,
  options: FixTextOptions = FTFY_DEFAULTS,
): { text: string; plan: PlanStep[] } {
  const plan: PlanStep[] = [];
  const unescapes = options.unescapeHtml === 'auto' ? !text.includes('<') : options.unescapeHtml;
  let current = text;
  for (;;) {
    const before = current;
    if (unescapes) {
      const fixed = unescapeHtml(current);
      if (fixed !== current) plan.push(['apply', 'unescape_html']);
      current = fixed;
    }
    if (options.fixEncoding) {
      const fixed = fixEncoding(current, options);
      plan.push(...fixed.plan);
      current = fixed.text;
    }
    for (const { name, on, fix } of FIXERS) {
      if (!on(options)) continue;
      const fixed = fix(current);
      if (fixed !== current) plan.push(['apply', name]);
      current = fixed;
    }
    if (options.normalization !== null) {
      const fixed = current.normalize(options.normalization);
      if (fixed !== current) plan.push(['normalize', options.normalization]);
      current = fixed;
    }
    if (current === before) return { text: current, plan };
  }
}
