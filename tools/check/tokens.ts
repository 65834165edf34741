// In: TypeScript source text. Out: its tokens with lines, comments left out.
// The scanner is TypeScript's own; what a parser would tell it (is this slash a division, does this brace end a
// substitution in a template) is decided here from the token before and the braces that are open.
import { createScanner, SyntaxKind } from 'typescript/unstable/ast';

export interface Token {
  kind: SyntaxKind;
  text: string;
  /** Content of a string literal or of a template without substitutions; the text otherwise. */
  value: string;
  line: number;
  start: number;
  end: number;
}

/** After these a slash divides; after anything else it opens a regular expression. */
const ENDS_A_VALUE = new Set([
  SyntaxKind.Identifier,
  SyntaxKind.PrivateIdentifier,
  SyntaxKind.NumericLiteral,
  SyntaxKind.BigIntLiteral,
  SyntaxKind.StringLiteral,
  SyntaxKind.NoSubstitutionTemplateLiteral,
  SyntaxKind.TemplateTail,
  SyntaxKind.RegularExpressionLiteral,
  SyntaxKind.CloseParenToken,
  SyntaxKind.CloseBracketToken,
  SyntaxKind.CloseBraceToken,
  SyntaxKind.ThisKeyword,
  SyntaxKind.SuperKeyword,
  SyntaxKind.NullKeyword,
  SyntaxKind.TrueKeyword,
  SyntaxKind.FalseKeyword,
  SyntaxKind.PlusPlusToken,
  SyntaxKind.MinusMinusToken,
  SyntaxKind.ExclamationToken,
]);

export function tokenize(source: string): Token[] {
  const scanner = createScanner(true, undefined, source);
  const lineOf = lineFinder(source);
  const tokens: Token[] = [];
  /** For every open brace: whether it is a `${` of a template. */
  const braces: boolean[] = [];
  for (let kind = scanner.scan(); kind !== SyntaxKind.EndOfFile; kind = scanner.scan()) {
    const before = tokens.at(-1);
    if (kind === SyntaxKind.SlashToken || kind === SyntaxKind.SlashEqualsToken) {
      if (!before || !endsValue(tokens)) kind = scanner.reScanSlashToken();
    } else if (kind === SyntaxKind.CloseBraceToken && braces.at(-1) === true) {
      kind = scanner.reScanTemplateToken(false);
    }
    if (kind === SyntaxKind.TemplateHead) braces.push(true);
    else if (kind === SyntaxKind.OpenBraceToken) braces.push(false);
    else if (kind === SyntaxKind.TemplateTail || kind === SyntaxKind.CloseBraceToken) braces.pop();
    const start = scanner.getTokenStart();
    tokens.push({
      kind,
      text: scanner.getTokenText(),
      value: scanner.getTokenValue() ?? scanner.getTokenText(),
      line: lineOf(start),
      start,
      end: scanner.getTokenEnd(),
    });
  }
  return tokens;
}

/** The index of the bracket that closes the one at `open`, or the last index where none does. */
export function closingIndex(tokens: readonly Token[], open: number): number {
  let depth = 0;
  for (let i = open; i < tokens.length; i++) {
    if (OPENING.has(tokens[i].kind)) depth++;
    else if (CLOSING.has(tokens[i].kind) && --depth === 0) return i;
  }
  return tokens.length - 1;
}

const OPENING = new Set([
  SyntaxKind.OpenBraceToken,
  SyntaxKind.OpenParenToken,
  SyntaxKind.OpenBracketToken,
  SyntaxKind.TemplateHead,
]);
const CLOSING = new Set([
  SyntaxKind.CloseBraceToken,
  SyntaxKind.CloseParenToken,
  SyntaxKind.CloseBracketToken,
  SyntaxKind.TemplateTail,
]);

function endsValue(tokens: readonly Token[]): boolean {
  const last = tokens[tokens.length - 1];
  // `if (x) /re/.test(y)`: the parenthesis closes a condition, not a value.
  if (last.kind === SyntaxKind.CloseParenToken) {
    const open = openingIndex(tokens, tokens.length - 1);
    const word = tokens[open - 1]?.kind;
    return ![SyntaxKind.IfKeyword, SyntaxKind.WhileKeyword, SyntaxKind.ForKeyword].includes(word);
  }
  // `throw`, `return` and their like are keywords; names such as `type` or `of` may be either.
  return ENDS_A_VALUE.has(last.kind) || (last.kind > SyntaxKind.LastReservedWord && /^\w+$/.test(last.text));
}

function openingIndex(tokens: readonly Token[], close: number): number {
  let depth = 0;
  for (let i = close; i >= 0; i--) {
    if (CLOSING.has(tokens[i].kind)) depth++;
    else if (OPENING.has(tokens[i].kind) && --depth === 0) return i;
  }
  return 0;
}

function lineFinder(source: string): (position: number) => number {
  const starts = [0];
  for (let at = source.indexOf('\n'); at >= 0; at = source.indexOf('\n', at + 1)) starts.push(at + 1);
  let line = 0;
  return (position) => {
    if (position < starts[line]) line = 0;
    while (line + 1 < starts.length && starts[line + 1] <= position) line++;
    return line + 1;
  };
}

export { SyntaxKind };
