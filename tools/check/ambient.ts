// In: a repository. Out: uses of the clock, of randomness and of the environment outside the shells: everything else
// takes them as arguments, so that runs repeat and tests need no mocks. `console` is the linter's to find.
import type { Finding, Repository } from './source-files.ts';
import { SyntaxKind } from './tokens.ts';

const AMBIENT: Record<string, string> = {
  'Math.random': 'take a SeededRandom',
  'Date.now': 'take the clock as an argument',
  'process.env': 'take what is needed as an argument',
};

/** Where a program begins, so where these may be read. */
const SHELLS = /^packages\/[^/]+\/src\/(cli|http)\//;

export function checkAmbient(repository: Repository): Finding[] {
  const findings: Finding[] = [];
  for (const { path, tokens, isTest } of repository.sources) {
    if (isTest || SHELLS.test(path) || !/^packages\/[^/]+\/src\//.test(path)) continue;
    for (let i = 0; i + 2 < tokens.length; i++) {
      const isNewDate =
        tokens[i].text === 'new' && tokens[i + 1].text === 'Date' && tokens[i + 3]?.text === ')';
      const name = isNewDate ? 'Date.now' : `${tokens[i].text}.${tokens[i + 2].text}`;
      const isMember =
        tokens[i + 1].kind === SyntaxKind.DotToken && tokens[i - 1]?.kind !== SyntaxKind.DotToken;
      if ((isNewDate || isMember) && Object.hasOwn(AMBIENT, name)) {
        const shown = isNewDate ? 'new Date()' : name;
        findings.push({
          rule: 'ambient',
          file: path,
          line: tokens[i].line,
          message: `${shown} outside cli and http: ${AMBIENT[name]}`,
        });
      }
    }
  }
  return findings;
}
