// In: a text as people write to models. Out: its pieces in order: prose, and what must stay byte by byte: fenced and inline
// code, maths, JSON, addresses. Joined again, the pieces are the text. No parser of any language: marks only.

export interface Segment {
  kind: 'prose' | 'code' | 'math' | 'json' | 'url';
  text: string;
}

/** Without one of these there is nothing but prose. */
const MARK = /[`$\\{[~]|:\/\//;

// A fence runs to its own mark or to the end of the text. Inline marks stay within a line.
const PROTECTED = new RegExp(
  [
    '(?<code>^[ \\t]*(?<fence>`{3,}|~{3,})[^\\n]*(?:\\n(?![ \\t]*\\k<fence>)[^\\n]*)*(?:\\n[ \\t]*\\k<fence>[`~]*)?' +
      '|(?<ticks>`+)(?!`)[^\\n]{0,2000}?[^`\\n]\\k<ticks>(?!`))',
    '(?<math>\\$\\$[^$]{1,4000}\\$\\$|\\$(?![\\s\\d])[^$\\n]{1,400}(?<!\\s)\\$(?!\\d)|\\$\\d[^$\\n\\p{Script=Han}]{0,80}[\\\\^_=][^$\\n]{0,200}\\$' +
      '|\\\\\\([^\\n]{1,400}?\\\\\\)|\\\\\\[[^]{1,4000}?\\\\\\]' +
      '|\\\\begin\\{(?<env>[a-z]{1,20}\\*?)\\}[^]{0,8000}?\\\\end\\{\\k<env>\\})',
    '(?<url>(?:https?|ftps?|wss?|file|git|ssh|s3):\\/\\/[^\\s<>"\'`，。；：！？（）【】《》「」、“”‘’\\p{Script=Han}\\p{C}]+)',
    '(?<open>[{[])',
  ].join('|'),
  'gmu',
);

/** JSON that is longer, or further attempts in one text, are taken for prose: both are bounds on time. */
const MAX_JSON = 100_000;
const MAX_JSON_ATTEMPTS = 64;

export function segmentsOf(text: string): Segment[] {
  if (!MARK.test(text)) return [{ kind: 'prose', text }];
  if (isJson(text)) return [{ kind: 'json', text }];
  const segments: Segment[] = [];
  let start = 0;
  let attempts = 0;
  const take = (kind: Segment['kind'], from: number, end: number) => {
    if (from > start) segments.push({ kind: 'prose', text: text.slice(start, from) });
    segments.push({ kind, text: text.slice(from, end) });
    start = end;
    PROTECTED.lastIndex = end;
  };
  PROTECTED.lastIndex = 0;
  for (;;) {
    const match = PROTECTED.exec(text);
    if (match === null) break;
    const { code, math, url, open } = match.groups!;
    const end = match.index + match[0].length;
    if (code !== undefined) take('code', match.index, end);
    else if (math !== undefined) take('math', match.index, end);
    else if (url !== undefined) take('url', match.index, end);
    else if (open !== undefined && attempts < MAX_JSON_ATTEMPTS) {
      const close = jsonEnd(text, match.index);
      if (close > 0) attempts++;
      if (close > 0 && isJson(text.slice(match.index, close))) take('json', match.index, close);
    }
  }
  if (start < text.length) segments.push({ kind: 'prose', text: text.slice(start) });
  return segments;
}

/** An object or a list; numbers and words alone are prose. */
export function isJson(text: string): boolean {
  const first = /^\s*([{[])/.exec(text);
  if (first === null || !/[}\]]\s*$/.test(text)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Where the bracket at `start` closes, strings left out; 0 where it does not, or where it cannot open JSON. */
function jsonEnd(text: string, start: number): number {
  if (!/^[{[]\s*(?:["{[\]}\d-]|true|false|null)/.test(text.slice(start, start + 40))) return 0;
  let depth = 0;
  const last = Math.min(text.length, start + MAX_JSON);
  for (let at = start; at < last; at++) {
    const unit = text.charCodeAt(at);
    if (unit === 0x22) {
      for (at++; at < last && text.charCodeAt(at) !== 0x22; at++) if (text.charCodeAt(at) === 0x5c) at++;
    } else if (unit === 0x7b || unit === 0x5b) depth++;
    else if ((unit === 0x7d || unit === 0x5d) && --depth === 0) return at + 1;
  }
  return 0;
}
