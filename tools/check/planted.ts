// In: paths and texts. Out: a repository of just these files in a temporary folder, for the tests of the rules.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { openRepository, type Repository } from './source-files.ts';

export function plant(files: Record<string, string>): Repository {
  const root = mkdtempSync(join(tmpdir(), 'tunesmith-check-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return openRepository(root);
}

/** Findings as `file:line rule`, in order. */
export function places(findings: { file: string; line: number; rule: string }[]): string[] {
  return findings.map(({ file, line, rule }) => `${file}:${line} ${rule}`);
}
