// In: nothing, or `--check`. Out: the reference pages under docs/reference, and tables of measurements in guides, written anew, or
// with `--check` the names of those that differ from the code or the results, and status 1.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { memoryPages } from './memory-tables.ts';
import { referencePages } from './pages.ts';
import { withQuantiseTables } from './quantise-table.ts';

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
  for (const [path, content] of Object.entries({
    ...referencePages(),
    ...guidePages(),
    ...memoryPages(root),
  })) {
    if (readOrEmpty(join(root, path)) === content) continue;
    stale++;
    if (!isCheck) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), content);
    }
    process.stdout.write(
      `${path} ${isCheck ? 'differs from the code or the results; run: node tools/docs/generate.ts' : 'written'}\n`,
    );
  }
  return isCheck && stale > 0 ? 1 : 0;
}

/** Guides with tables of committed measurements. */
function guidePages(): Record<string, string> {
  const folder = join(root, 'benchmarks/quantise/results');
  const results = readdirSync(folder)
    .sort()
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')));
  return Object.fromEntries(
    (['en', 'zh'] as const).map((language) => {
      const path = `docs/guides/export${language === 'zh' ? '.zh-CN' : ''}.md`;
      return [path, withQuantiseTables(readFileSync(join(root, path), 'utf8'), results, language)];
    }),
  );
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

process.exitCode = main(process.argv.slice(2));
