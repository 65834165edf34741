// In: the repository, or rule names as arguments to run only these. Out: every finding as `file:line rule: message`, a
// count, and status 1 if there is any. Changes nothing; `npx biome check --write .` mends format.
import { fileURLToPath } from 'node:url';
import { checkAmbient } from './ambient.ts';
import { checkFileSizes } from './file-sizes.ts';
import { checkLayers } from './layers.ts';
import { type ProgramResult, runBiome, runTypes, runUnusedExports } from './programs.ts';
import { checkReadme } from './readme.ts';
import { type Finding, openRepository, type Repository } from './source-files.ts';
import { checkThrows } from './throws.ts';
import { checkWords } from './words.ts';

const RULES: Record<string, (repository: Repository) => Finding[]> = {
  layers: checkLayers,
  sizes: checkFileSizes,
  throws: checkThrows,
  ambient: checkAmbient,
  words: checkWords,
  readme: checkReadme,
};
const PROGRAMS: Record<string, (root: string) => ProgramResult> = {
  biome: runBiome,
  types: runTypes,
  unused: runUnusedExports,
};

function main(asked: string[]): number {
  const names = [...Object.keys(RULES), ...Object.keys(PROGRAMS)];
  const unknown = asked.filter((name) => !names.includes(name));
  if (unknown.length > 0) {
    process.stderr.write(`unknown rule ${unknown.join(', ')}; rules: ${names.join(', ')}\n`);
    return 2;
  }
  const isAsked = (name: string) => asked.length === 0 || asked.includes(name);
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const repository = openRepository(root);
  let failed = 0;
  for (const [name, rule] of Object.entries(RULES).filter(([name]) => isAsked(name))) {
    const findings = rule(repository);
    for (const { file, line, rule: title, message } of findings)
      process.stdout.write(`${file}:${line} ${title}: ${message}\n`);
    failed += report(name, findings.length === 0, `${findings.length} findings`);
  }
  for (const [name, program] of Object.entries(PROGRAMS).filter(([name]) => isAsked(name))) {
    const { ok, output } = program(root);
    if (!ok) process.stdout.write(`${output}\n`);
    failed += report(name, ok, 'see above');
  }
  process.stdout.write(failed === 0 ? 'check: all rules hold\n' : `check: ${failed} rules broken\n`);
  return failed === 0 ? 0 : 1;
}

function report(name: string, ok: boolean, problem: string): number {
  process.stdout.write(`${ok ? 'ok  ' : 'FAIL'} ${name}${ok ? '' : `: ${problem}`}\n`);
  return ok ? 0 : 1;
}

process.exitCode = main(process.argv.slice(2));
