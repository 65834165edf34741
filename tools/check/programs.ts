// In: a repository root. Out: what the formatter-linter, the type checker and the search for unused exports report, each
// run as its own program from node_modules.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface ProgramResult {
  name: string;
  ok: boolean;
  /** What it printed, empty where it had nothing to say. */
  output: string;
}

/** Format and lint. A warning fails, too. */
export function runBiome(root: string): ProgramResult {
  return run(
    'biome',
    root,
    ['@biomejs/biome', 'biome'],
    ['check', '--error-on-warnings', '--colors=off', '--max-diagnostics=200', '.'],
  );
}

export function runTypes(root: string): ProgramResult {
  return run('types', root, ['typescript', 'tsc'], ['--noEmit', '--pretty', 'false', '-p', '.']);
}

/** Exports that nobody imports, files that nobody reaches, and dependencies that are unused or not declared. */
export function runUnusedExports(root: string): ProgramResult {
  return run(
    'unused exports',
    root,
    ['knip', 'knip'],
    ['--no-progress', '--no-config-hints', '--directory', root],
  );
}

function run(
  name: string,
  root: string,
  [packageName, bin]: [string, string],
  words: string[],
): ProgramResult {
  const script = scriptOf(packageName, bin);
  const result = spawnSync(process.execPath, [script, ...words], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' },
  });
  const output =
    `${result.stdout ?? ''}${result.stderr ?? ''}${result.error ? String(result.error) : ''}`.trim();
  return { name, ok: result.status === 0, output };
}

/** The file behind a package's command, from the node_modules above this file. */
function scriptOf(packageName: string, bin: string): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'node_modules', packageName)) && dirname(folder) !== folder)
    folder = dirname(folder);
  const home = join(folder, 'node_modules', packageName);
  const manifest = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as {
    bin: string | Record<string, string>;
  };
  return join(home, typeof manifest.bin === 'string' ? manifest.bin : manifest.bin[bin]);
}
