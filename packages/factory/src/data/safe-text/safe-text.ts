// In: a text and which kinds of repair are on. Out: the text without damage, and what was repaired. Case, line breaks,
// punctuation of any script, code, maths, JSON and addresses stay as they are; only line ends of Windows become plain ones
// everywhere. Cleaning a clean text changes nothing.
import { looksLikeMojibake } from '../unicode/badness.ts';
import {
  fixC1Controls,
  fixLineBreaks,
  fixSurrogates,
  removeControlChars,
  removeTerminalEscapes,
} from '../unicode/character-fixes.ts';
import { fixEncoding } from '../unicode/fix-encoding.ts';
import { removeHtmlRemnants } from './html-remnants.ts';
import { type Segment, segmentsOf } from './segments.ts';

export interface SafeTextOptions {
  mojibake: boolean;
  html: boolean;
  controls: boolean;
  spaces: boolean;
  nfc: boolean;
}

export type Repair = keyof SafeTextOptions;

/** Called for every piece that a repair changed; `how` is a few words for people. */
type OnRepair = (repair: Repair, how: string) => void;

const SUSPICIOUS =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: controls are what is looked for.
  /[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u2028\u2029\u2060\u206a-\u206f\ufeff\ufff9-\ufffc]|[ \t\xa0\u3000]\n|&[#a-zA-Z]|<[/a-zA-Z]/;
const EDGES = /^\s*\n|\s$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: the range is what ASCII is.
const ASCII = /^[\x00-\x7f]*$/;
/** Their writing marks words with U+200B. */
const ZERO_WIDTH_SCRIPTS =
  /[\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\p{Script=Tibetan}]/u;

/** A repair may lay open the need for another; more rounds than this were never seen to change anything. */
const MAX_ROUNDS = 8;

export function cleanSafely(text: string, options: SafeTextOptions, onRepair?: OnRepair): string {
  let current = text;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    if (isClean(current)) break;
    const next = repairOnce(current, options, onRepair);
    if (next === current) break;
    current = next;
  }
  return current;
}

/** ASCII without controls, without & and <, and without white space at the end of a line: one pass, no pattern. */
function isPlain(text: string): boolean {
  let before = 0x0a;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit > 0x7e || unit === 0x26 || unit === 0x3c) return false;
    if (unit < 0x20 && unit !== 0x09 && (unit !== 0x0a || before === 0x20 || before === 0x09 || at === 0))
      return false;
    before = unit;
  }
  return text === '' || before > 0x20;
}

/** Most texts are clean, and are told from others by a few scans. */
function isClean(text: string): boolean {
  if (isPlain(text)) return true;
  if (SUSPICIOUS.test(text) || EDGES.test(text)) return false;
  if (ASCII.test(text)) return true;
  return text.isWellFormed() && !looksLikeMojibake(text) && text.normalize('NFC') === text;
}

function repairOnce(text: string, options: SafeTextOptions, onRepair?: OnRepair): string {
  const apply = (repair: Repair, before: string, after: string, how?: string) => {
    if (after !== before) onRepair?.(repair, how ?? sample(before, after));
    return after;
  };
  let whole = text;
  if (options.controls) whole = apply('controls', whole, whole.replace(/\r\n?/g, '\n'), 'line ends');
  // JSON is either whole or broken; a mark before or after it would not make it better.
  const segments = segmentsOf(whole);
  whole = segments
    .map((segment) => (segment.kind === 'prose' ? repairProse(segment, options, apply) : segment.text))
    .join('');
  if (options.spaces && !(segments.length === 1 && segments[0]!.kind === 'json'))
    whole = apply('spaces', whole, trimEdges(whole), 'around the text');
  return whole;
}

function repairProse(
  { text }: Segment,
  options: SafeTextOptions,
  apply: (repair: Repair, before: string, after: string, how?: string) => string,
): string {
  let prose = text;
  if (options.mojibake) {
    const lines = prose.split('\n').map((line) => {
      const { text: fixed, plan } = fixEncoding(line);
      if (fixed === line) return line;
      return apply(
        'mojibake',
        line,
        fixed,
        `${sample(line, fixed)} (${plan.map((step) => step.join(' ')).join(', ')})`,
      );
    });
    prose = lines.join('\n');
  }
  if (options.controls) {
    let plain = removeTerminalEscapes(fixSurrogates(fixLineBreaks(fixC1Controls(prose))));
    plain = removeControlChars(plain);
    plain = plain.replace(/[\x80-\x9f\u2060]/g, '');
    if (!ZERO_WIDTH_SCRIPTS.test(plain)) plain = plain.replaceAll('\u200b', '');
    prose = apply('controls', prose, plain);
  }
  if (options.html) prose = apply('html', prose, removeHtmlRemnants(prose));
  if (options.nfc) prose = apply('nfc', prose, prose.normalize('NFC'));
  if (options.spaces) prose = apply('spaces', prose, prose.replace(/[ \t\xa0\u3000]+\n/g, '\n'), 'line ends');
  return prose;
}

/** Blank lines before the text and white space after it; the indent of the first line stays. */
function trimEdges(text: string): string {
  return text.replace(/^\s*\n(?=\s*\S)/, '').trimEnd();
}

/** The first difference with a little of its surroundings. */
function sample(before: string, after: string): string {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start++;
  const from = Math.max(0, start - 8);
  return `${JSON.stringify(before.slice(from, start + 24))} → ${JSON.stringify(after.slice(from, start + 24))}`;
}
