// In: nothing, or `--check`. Out: the reference pages under docs/reference written anew, or with `--check` the names of
// those that differ from the code, and status 1.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { referencePages } from './pages.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

function main(words: string[]): number {
  const isCheck = words.includes('--check');
  const unknown = words.filter((word) => word !== '--check');
  if (unknown.length > 0) {
    process.stderr.write(
      `unknown words ${unknown.join(' ')}; usage: node tools/docs/generate.ts [--check]\n`,
    );
    return 2;
  }
  let stale = 0;
  for (const [path, content] of Object.entries(referencePages())) {
    if (readOrEmpty(join(root, path)) === content) continue;
    stale++;
    if (!isCheck) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), content);
    }
    process.stdout.write(
      `${path} ${isCheck ? 'differs from the code; run: node tools/docs/generate.ts' : 'written'}\n`,
    );
  }
  return isCheck && stale > 0 ? 1 : 0;
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

process.exitCode = main(process.argv.slice(2));
