// In: the tokens of a file. Out: every module that it names: `import`, `import type`, `export … from`, `import()`,
// `typeof import()` and `require()`. It resolves nothing.
import { closingIndex, SyntaxKind, type Token } from './tokens.ts';

export interface Import {
  /** Null where the name is computed. */
  specifier: string | null;
  line: number;
  isDynamic: boolean;
}

export function importsOf(tokens: readonly Token[]): Import[] {
  const found: Import[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const { kind, text, line } = tokens[i];
    const before = tokens[i - 1]?.kind;
    const isMember = before === SyntaxKind.DotToken || before === SyntaxKind.QuestionDotToken;
    if (isMember) continue;
    if (kind === SyntaxKind.ImportKeyword || text === 'require') {
      if (tokens[i + 1]?.kind === SyntaxKind.OpenParenToken) found.push(called(tokens, i + 1, line));
      else if (kind === SyntaxKind.ImportKeyword) pushStatic(found, tokens, i);
    } else if (kind === SyntaxKind.ExportKeyword) {
      const next = tokens[i + 1];
      const after = next?.kind === SyntaxKind.TypeKeyword ? tokens[i + 2] : next;
      const lists = after?.kind === SyntaxKind.AsteriskToken || after?.kind === SyntaxKind.OpenBraceToken;
      if (lists) pushStatic(found, tokens, i);
    }
  }
  return found;
}

function called(tokens: readonly Token[], open: number, line: number): Import {
  const argument = tokens[open + 1];
  const end = tokens[open + 2]?.kind;
  const isAlone = end === SyntaxKind.CloseParenToken || end === SyntaxKind.CommaToken;
  return {
    specifier: argument && isString(argument) && isAlone ? argument.value : null,
    line,
    isDynamic: true,
  };
}

/** Reads on to the module's name: directly after `import`, or after `from`. */
function pushStatic(found: Import[], tokens: readonly Token[], start: number): void {
  const { line } = tokens[start];
  const next = tokens[start + 1];
  // `import.meta`
  if (!next || next.kind === SyntaxKind.DotToken) return;
  if (isString(next)) {
    found.push({ specifier: next.value, line, isDynamic: false });
    return;
  }
  for (let i = start + 1; i < tokens.length; i++) {
    const token = tokens[i];
    if (token.kind === SyntaxKind.OpenBraceToken) i = closingIndex(tokens, i);
    else if (token.text === 'from' && tokens[i + 1] && isString(tokens[i + 1])) {
      found.push({ specifier: tokens[i + 1].value, line, isDynamic: false });
      return;
    } else if (token.kind === SyntaxKind.SemicolonToken || token.kind === SyntaxKind.EqualsToken) return;
    // `export { a };` without a semicolon ends where the next statement begins.
    else if (
      i > start + 1 &&
      (token.kind === SyntaxKind.ImportKeyword || token.kind === SyntaxKind.ExportKeyword)
    )
      return;
  }
}

function isString(token: Token): boolean {
  return token.kind === SyntaxKind.StringLiteral || token.kind === SyntaxKind.NoSubstitutionTemplateLiteral;
}
