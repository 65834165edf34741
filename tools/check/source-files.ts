// In: a repository root. Out: its files as the rules see them: path, text, tokens and imports, each read at most once.
// Ignored files are left out where the root is a git work tree; `node_modules` and dot folders always are.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, sep } from 'node:path';
import { type Import, importsOf } from './imports.ts';
import { type Token, tokenize } from './tokens.ts';

/** What a rule has to say about one place. */
export interface Finding {
  rule: string;
  file: string;
  line: number;
  message: string;
}

export interface SourceFile {
  /** Relative to the root, with `/`. */
  path: string;
  readonly text: string;
  readonly tokens: Token[];
  readonly imports: Import[];
  isTest: boolean;
}

export interface Repository {
  root: string;
  /** Every file, also those that are not source. */
  paths: string[];
  /** The `.ts` files. */
  sources: SourceFile[];
  read(path: string): string;
}

export function openRepository(root: string): Repository {
  const paths = listPaths(root).sort();
  const read = (path: string) => readFileSync(join(root, path), 'utf8');
  const sources = paths
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'))
    .map((path) => open(path, read));
  return { root, paths, sources, read };
}

function open(path: string, read: (path: string) => string): SourceFile {
  let text: string | undefined;
  let tokens: Token[] | undefined;
  let imports: Import[] | undefined;
  return {
    path,
    isTest: path.endsWith('.test.ts'),
    get text() {
      text ??= read(path);
      return text;
    },
    get tokens() {
      tokens ??= tokenize(this.text);
      return tokens;
    },
    get imports() {
      imports ??= importsOf(this.tokens);
      return imports;
    },
  };
}

function listPaths(root: string): string[] {
  if (existsSync(join(root, '.git'))) {
    const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
      cwd: root,
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    });
    return [...new Set(listed.split('\0'))].filter((path) => path !== '' && existsSync(join(root, path)));
  }
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .map((path) => path.split(sep).join('/'))
    .filter(
      (path) => !/(^|\/)(node_modules|\.[^/]*)(\/|$)/.test(path) && statSync(join(root, path)).isFile(),
    );
}
