// In: the tokens of source files. Out: which functions give a typed error: those declared to, and those whose whole
// result is one by construction. Names are looked up in the file first, then in all files.
import { closingIndex, SyntaxKind, type Token } from './tokens.ts';

export const TYPED_ERRORS = ['FactoryError', 'EngineError'];

export interface ErrorMakers {
  /** True if calling `name` in `path` gives a typed error. */
  has(path: string, name: string): boolean;
}

interface Candidate {
  path: string;
  name: string;
  isDeclared: boolean;
  /** The function called, or the class made, by the first thing it returns. */
  returns: string | null;
}

export function findErrorMakers(files: readonly { path: string; tokens: Token[] }[]): ErrorMakers {
  const candidates = files.flatMap(({ path, tokens }) => candidatesOf(path, tokens));
  const made = new Map(candidates.map((candidate) => [candidate, candidate.isDeclared]));
  const has = (path: string, name: string): boolean => {
    const named = candidates.filter((candidate) => candidate.name === name);
    const local = named.filter((candidate) => candidate.path === path);
    return (local.length > 0 ? local : named).some((candidate) => made.get(candidate));
  };
  for (let changed = true; changed; ) {
    changed = false;
    for (const candidate of candidates) {
      const { path, returns } = candidate;
      if (made.get(candidate) || returns === null) continue;
      if (TYPED_ERRORS.includes(returns) || has(path, returns)) {
        made.set(candidate, true);
        changed = true;
      }
    }
  }
  return { has };
}

/** Functions, methods, and arrows held by a name. */
function candidatesOf(path: string, tokens: readonly Token[]): Candidate[] {
  const found: Candidate[] = [];
  for (let i = 0; i + 1 < tokens.length; i++) {
    if (tokens[i].kind !== SyntaxKind.OpenParenToken) continue;
    const before = tokens[i - 1];
    const isAsync = before?.kind === SyntaxKind.AsyncKeyword;
    const equals = isAsync ? i - 2 : i - 1;
    const isArrow = tokens[equals]?.kind === SyntaxKind.EqualsToken;
    const name = isArrow ? tokens[equals - 1] : before;
    if (name?.kind !== SyntaxKind.Identifier) continue;
    const close = closingIndex(tokens, i);
    const { body, typed } = resultOf(tokens, close + 1);
    if (body === null || (isArrow && tokens[body - 1]?.kind !== SyntaxKind.EqualsGreaterThanToken)) continue;
    found.push({ path, name: name.text, isDeclared: typed, returns: firstReturn(tokens, body) });
  }
  return found;
}

/** Where the body begins after a parameter list, or null where none follows; and whether the declared type is an error. */
function resultOf(tokens: readonly Token[], at: number): { body: number | null; typed: boolean } {
  let i = at;
  let typed = false;
  if (tokens[i]?.kind === SyntaxKind.ColonToken) {
    const type = tokens.slice(i + 1, i + 5).map((token) => token.text);
    const [name, size] = type[0] === 'Promise' && type[1] === '<' ? [type[2], 5] : [type[0], 2];
    typed = TYPED_ERRORS.includes(name);
    // Another type makes it no candidate, but it still hides functions of that name in other files.
    if (!typed) return { body: bodyAfterType(tokens, i + 1), typed: false };
    i += size;
  }
  if (tokens[i]?.kind === SyntaxKind.EqualsGreaterThanToken) return { body: i + 1, typed };
  return { body: tokens[i]?.kind === SyntaxKind.OpenBraceToken ? i : null, typed };
}

function bodyAfterType(tokens: readonly Token[], start: number): number | null {
  for (let i = start; i < Math.min(tokens.length, start + 40); i++) {
    const { kind } = tokens[i];
    if (kind === SyntaxKind.OpenBraceToken || kind === SyntaxKind.EqualsGreaterThanToken) {
      return kind === SyntaxKind.OpenBraceToken ? i : i + 1;
    }
    if ([SyntaxKind.SemicolonToken, SyntaxKind.CommaToken, SyntaxKind.CloseParenToken].includes(kind))
      return null;
  }
  return null;
}

/** `return name(`, `return new Name(`, or the same as an arrow's body. */
function firstReturn(tokens: readonly Token[], body: number): string | null {
  let at = body;
  if (tokens[body].kind === SyntaxKind.OpenBraceToken) {
    const end = closingIndex(tokens, body);
    while (at < end && tokens[at].kind !== SyntaxKind.ReturnKeyword) at++;
    if (at === end) return null;
    at++;
  }
  if (tokens[at]?.kind === SyntaxKind.AwaitKeyword) at++;
  if (tokens[at]?.kind === SyntaxKind.NewKeyword) at++;
  return tokens[at + 1]?.kind === SyntaxKind.OpenParenToken ? tokens[at].text : null;
}
