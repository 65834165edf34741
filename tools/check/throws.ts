// In: a repository. Out: throws in the packages that are not a typed error, and typed errors without code, message or
// remedy. Allowed are: a new typed error, a call of a function that gives one, a caught error or a variable made of
// these, and the one plain error inside `invariant`. Tests may throw what they like.
import { type ErrorMakers, findErrorMakers, TYPED_ERRORS } from './error-makers.ts';
import type { Finding, Repository, SourceFile } from './source-files.ts';
import { closingIndex, SyntaxKind, type Token } from './tokens.ts';

const FIELDS = ['code', 'message', 'remedy'];
const OPENING = [
  SyntaxKind.OpenBraceToken,
  SyntaxKind.OpenParenToken,
  SyntaxKind.OpenBracketToken,
  SyntaxKind.TemplateHead,
];

export function checkThrows(repository: Repository): Finding[] {
  const files = repository.sources.filter(
    (file) => /^packages\/[^/]+\/src\//.test(file.path) && !file.isTest,
  );
  const makers = findErrorMakers(files);
  return files.flatMap((file) => [...throwFindings(file, makers), ...constructionFindings(file)]);
}

function throwFindings(file: SourceFile, makers: ErrorMakers): Finding[] {
  const { path, tokens, text } = file;
  const findings: Finding[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const isRejection = tokens[i].text === 'reject' && tokens[i + 1]?.kind === SyntaxKind.OpenParenToken;
    const isThrow = tokens[i].kind === SyntaxKind.ThrowKeyword && tokens[i - 1]?.kind !== SyntaxKind.DotToken;
    if (!isRejection && !isThrow) continue;
    const start = isRejection ? i + 2 : i + 1;
    // A rejection passes on what it was given more often than not; a new error in it must be typed.
    if (isRejection && tokens[start]?.kind !== SyntaxKind.NewKeyword) continue;
    if (isAllowed(file, start, makers)) continue;
    const line = text.split('\n')[tokens[i].line - 1].trim();
    const message = `"${line}" is not a typed error: use new ${TYPED_ERRORS.join(' or ')}, or a call of a function that gives one`;
    findings.push({ rule: 'throws', file: path, line: tokens[i].line, message });
  }
  return findings;
}

/** Whether the expression that begins at `start` is a typed error. */
function isAllowed({ path, tokens }: SourceFile, start: number, makers: ErrorMakers): boolean {
  let at = tokens[start]?.kind === SyntaxKind.AwaitKeyword ? start + 1 : start;
  if (tokens[at]?.kind === SyntaxKind.NewKeyword) {
    const name = tokens[at + 1]?.text;
    return TYPED_ERRORS.includes(name) || (name === 'Error' && isInvariant(tokens, at));
  }
  if (!isName(tokens[at])) return false;
  while (tokens[at + 1]?.kind === SyntaxKind.DotToken) at += 2;
  const name = tokens[at].text;
  const next = tokens[at + 1];
  if (next?.kind === SyntaxKind.OpenParenToken) {
    return makers.has(path, name) && endsStatement(tokens, closingIndex(tokens, at + 1));
  }
  return (
    at === start &&
    endsStatement(tokens, at) &&
    (isCaught(tokens, at, name) || isMade(path, tokens, at, name, makers))
  );
}

function isName(token: Token | undefined): boolean {
  return token?.kind === SyntaxKind.Identifier || token?.kind === SyntaxKind.ThisKeyword;
}

function endsStatement(tokens: readonly Token[], last: number): boolean {
  const next = tokens[last + 1];
  return next === undefined || /^[;})]$/.test(next.text) || next.line > tokens[last].line;
}

/** ``throw new Error(`internal: …`)`` in the function of that name. */
function isInvariant(tokens: readonly Token[], at: number): boolean {
  const message = tokens[at + 3]?.text ?? '';
  return /^[`'"]internal: /.test(message) && enclosingFunction(tokens, at) === 'invariant';
}

/** The name of the nearest `function name(` before the position. */
function enclosingFunction(tokens: readonly Token[], at: number): string | null {
  for (let i = at; i > 0; i--) {
    if (tokens[i - 1].kind === SyntaxKind.FunctionKeyword) return tokens[i].text;
  }
  return null;
}

/** True where the position is inside a `catch (name)` block. */
function isCaught(tokens: readonly Token[], at: number, name: string): boolean {
  for (let i = 0; i < at; i++) {
    if (tokens[i].kind !== SyntaxKind.CatchKeyword || tokens[i + 2]?.text !== name) continue;
    const open = closingIndex(tokens, i + 1) + 1;
    if (open < at && at < closingIndex(tokens, open)) return true;
  }
  return false;
}

/** True where `name` is declared before as a typed error, or with an initial value that makes one. */
function isMade(
  path: string,
  tokens: readonly Token[],
  at: number,
  name: string,
  makers: ErrorMakers,
): boolean {
  for (let i = at - 1; i > 0; i--) {
    if (
      tokens[i].text !== name ||
      ![SyntaxKind.ConstKeyword, SyntaxKind.LetKeyword].includes(tokens[i - 1].kind)
    )
      continue;
    if (tokens[i + 1].kind === SyntaxKind.ColonToken) return TYPED_ERRORS.includes(tokens[i + 2].text);
    for (let j = i + 1; j < at && tokens[j].kind !== SyntaxKind.SemicolonToken; j++) {
      if (tokens[j + 1].kind === SyntaxKind.OpenParenToken && makers.has(path, tokens[j].text)) return true;
      if (tokens[j].kind === SyntaxKind.NewKeyword && TYPED_ERRORS.includes(tokens[j + 1].text)) return true;
    }
    return false;
  }
  return false;
}

/** Every `new` of a typed error must have its fields. */
function constructionFindings({ path, tokens }: SourceFile): Finding[] {
  const findings: Finding[] = [];
  for (let i = 0; i + 2 < tokens.length; i++) {
    const { text: name, line } = tokens[i + 1];
    if (tokens[i].kind !== SyntaxKind.NewKeyword || !TYPED_ERRORS.includes(name)) continue;
    const problem = fieldProblem(tokens, i + 2);
    if (problem) findings.push({ rule: 'throws', file: path, line, message: `new ${name} ${problem}` });
  }
  return findings;
}

function fieldProblem(tokens: readonly Token[], open: number): string | null {
  if (tokens[open + 1]?.kind !== SyntaxKind.OpenBraceToken) {
    return 'takes its fields as an object literal here, so that they can be checked';
  }
  const end = closingIndex(tokens, open + 1);
  const keys = new Map<string, number>();
  let hasSpread = false;
  for (let i = open + 2; i < end; i++) {
    const isKey = [SyntaxKind.OpenBraceToken, SyntaxKind.CommaToken].includes(tokens[i - 1].kind);
    if (isKey && tokens[i].kind === SyntaxKind.DotDotDotToken) hasSpread = true;
    else if (isKey) keys.set(tokens[i].text, i);
    if (OPENING.includes(tokens[i].kind)) i = closingIndex(tokens, i);
  }
  // What a spread brings is checked by its type, which has all three.
  const missing = hasSpread ? [] : FIELDS.filter((field) => !keys.has(field));
  if (missing.length > 0) return `lacks ${missing.join(' and ')}`;
  return remedyProblem(tokens, keys.get('remedy'));
}

/** Only a remedy that is one literal can be read here. */
function remedyProblem(tokens: readonly Token[], at: number | undefined): string | null {
  if (at === undefined) return null;
  const [value, next] = [tokens[at + 2], tokens[at + 3]];
  const isLiteral = [SyntaxKind.StringLiteral, SyntaxKind.NoSubstitutionTemplateLiteral].includes(
    value?.kind,
  );
  const isWhole = [SyntaxKind.CommaToken, SyntaxKind.CloseBraceToken].includes(next?.kind);
  if (!isLiteral || !isWhole || /^[A-Z"'`].{8,}\.$/s.test(value.value)) return null;
  return `has the remedy ${value.text}: expected one imperative sentence, from its capital letter to its full stop`;
}
