// In: text. Out: e-mail addresses, addresses of pages, and keys of programs. E-mail and page addresses end where Han
// characters or Chinese punctuation begin; the ending of an e-mail domain must be one that exists.
import { getPublicSuffix, parse } from 'tldts';
import type { Add } from './find-numbers.ts';

const EMAIL =
  /(?<![A-Za-z0-9._%+-])[A-Za-z0-9_](?:[A-Za-z0-9._%+'-]{0,62}[A-Za-z0-9_+-])?@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9@-]|\.[A-Za-z0-9]{2})/g;
const URL =
  /(?<![A-Za-z0-9])(?:https?:\/\/|ftp:\/\/|www\.)[^\s<>"'`，。；：！？（）【】《》「」、“”‘’\p{Script=Han}\p{C}]{3,}/giu;
/** Domains that are kept for documents. */
const NOBODY = /(?:^|[@.])example\.(?:com|org|net|cn)$|\.(?:example|test|invalid|localhost)$/i;

export function findAddresses(text: string, add: Add): void {
  if (text.includes('@')) {
    for (const match of text.matchAll(EMAIL)) {
      const domain = match[0].slice(match[0].lastIndexOf('@') + 1).toLowerCase();
      if (NOBODY.test(domain) || match[0].includes('..') || !isRealEnding(domain)) continue;
      add('email', match.index, match.index + match[0].length, match[0].toLowerCase());
    }
  }
  for (const match of text.matchAll(URL)) {
    const url = trimUrl(match[0]);
    const host = parse(url, { validateHostname: false }).hostname ?? '';
    if (url.length > 6 && !NOBODY.test(host) && /[a-z0-9]/i.test(host))
      add('url', match.index, match.index + url.length, url);
  }
}

function isRealEnding(domain: string): boolean {
  const suffix = getPublicSuffix(domain);
  return suffix !== null && suffix !== domain && (parse(domain).isIcann ?? false);
}

/** Punctuation of the sentence, and a closing bracket that the address did not open. */
function trimUrl(url: string): string {
  let trimmed = url;
  for (;;) {
    const last = trimmed.at(-1)!;
    const unopened =
      (last === ')' && !trimmed.includes('(')) ||
      (last === ']' && !trimmed.includes('[')) ||
      (last === '}' && !trimmed.includes('{'));
    if (!/[.,;:!?*]/.test(last) && !unopened) return trimmed;
    trimmed = trimmed.slice(0, -1);
  }
}

/** Keys that can be told by their beginning. */
const PREFIXED = new RegExp(
  [
    'sk-(?:proj-|ant-[a-z0-9]+-|or-v1-)?[A-Za-z0-9_-]{20,}',
    '(?:sk|pk|rk)_(?:live|test)_[A-Za-z0-9]{16,}',
    '(?:AKIA|ASIA)[A-Z0-9]{16}',
    'gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,}|glpat-[A-Za-z0-9_-]{20,}',
    'xox[abprs]-[A-Za-z0-9-]{10,}',
    'AIza[A-Za-z0-9_-]{35}|ya29\\.[A-Za-z0-9_-]{20,}',
    'SG\\.[A-Za-z0-9_-]{16,}\\.[A-Za-z0-9_-]{16,}',
    'hf_[A-Za-z0-9]{30,}|npm_[A-Za-z0-9]{30,}|dop_v1_[a-f0-9]{40,}',
    'LTAI[A-Za-z0-9]{12,24}|AKID[A-Za-z0-9]{28,36}',
    'eyJ[A-Za-z0-9_-]{10,}\\.eyJ[A-Za-z0-9_-]{10,}\\.[A-Za-z0-9_-]{10,}',
  ]
    .map((one) => `(?:${one})`)
    .join('|'),
  'g',
);
const ASSIGNED =
  /(?:api[_-]?key|access[_-]?key|secret|token|passwd|password|pwd|密码|密钥|令牌|口令)["']?\s*(?:[:=：]|是|为|\bis\b)\s*["']?([A-Za-z0-9_\-+/=.~!@#$%^&*]{8,200})/gi;
const PRIVATE_KEY =
  /-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----[\s\S]{20,8000}?-----END [A-Z ]{0,20}PRIVATE KEY-----/g;
/** Made-up keys say so, ours too. */
const EXAMPLE = /example|your[_-]?|x{4}|\*{3}|placeholder|changeme|<|\$\{/i;

export function findKeys(text: string, add: Add): void {
  for (const match of text.matchAll(PREFIXED)) {
    const isInside = /[A-Za-z0-9_]/.test(text[match.index - 1] ?? '');
    if (!isInside && !EXAMPLE.test(match[0]) && entropy(match[0]) >= 3)
      add('api_key', match.index, match.index + match[0].length, match[0]);
  }
  for (const match of text.matchAll(ASSIGNED)) {
    const key = match[1]!.replace(/[.,!]+$/, '');
    // Words and paths have little entropy a character, or no digit among letters.
    if (EXAMPLE.test(key) || !/\d/.test(key) || !/[A-Za-z]/.test(key) || entropy(key) < 2.75) continue;
    const start = match.index + match[0].length - match[1]!.length;
    add('api_key', start, start + key.length, key);
  }
  if (text.includes('-----BEGIN ')) {
    for (const match of text.matchAll(PRIVATE_KEY)) {
      if (!EXAMPLE.test(match[0])) add('api_key', match.index, match.index + match[0].length, match[0]);
    }
  }
}

/** Bits a character. */
function entropy(text: string): number {
  const counts = new Map<string, number>();
  for (const c of text) counts.set(c, (counts.get(c) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length);
  return bits;
}

export function mayHaveAddresses(text: string): boolean {
  return text.includes('@') || text.includes('://') || /www\./i.test(text);
}

export function mayHaveKeys(text: string): boolean {
  return /sk[-_]|[prs]k_|AKI|ASIA|gh[pousr]_|github_|glpat|xox|AIza|ya29|SG\.|hf_|npm_|dop_|LTAI|eyJ|-----BEGIN|key|secret|token|passw|pwd|密码|密钥|令牌|口令/i.test(
    text,
  );
}
