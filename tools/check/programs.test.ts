import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { plant } from './planted.ts';
import { runBiome, runTypes, runUnusedExports } from './programs.ts';

const own = (name: string) => readFileSync(fileURLToPath(new URL(`../../${name}`, import.meta.url)), 'utf8');
const manifest = JSON.stringify({ name: 'planted', type: 'module', private: true });

/** Our own configuration, for a folder that is no git work tree. */
function biomeConfig(): string {
  return own('biome.json').replace(/"vcs": \{[^}]*\}/, '"vcs": { "enabled": false }');
}

test('format and lint: clean code passes; bad format, console and an unused import do not', () => {
  const clean = { 'biome.json': biomeConfig(), 'a.ts': "export const a = 'x';\n" };
  expect(runBiome(plant(clean).root)).toMatchObject({ ok: true });
  for (const [text, sign] of [
    ['export const a = "x"', 'format'],
    ["console.log('x');\n", 'noConsole'],
    ["import { join } from 'node:path';\n\nexport const a = 'x';\n", 'noUnusedImports'],
  ]) {
    const result = runBiome(plant({ ...clean, 'a.ts': text }).root);
    expect(result.ok, text).toBe(false);
    expect(result.output).toContain(sign);
  }
});

test('types: a wrong type, an unused local, an enum and a type imported as a value do not pass', () => {
  const config = JSON.parse(own('tsconfig.json'));
  const tsconfig = JSON.stringify({
    compilerOptions: { ...config.compilerOptions, types: [] },
    include: ['*.ts'],
  });
  const base = { 'package.json': manifest, 'tsconfig.json': tsconfig };
  expect(runTypes(plant({ ...base, 'a.ts': 'export const a: number = 1;\n' }).root)).toEqual({
    name: 'types',
    ok: true,
    output: '',
  });
  for (const [text, code] of [
    ["export const a: number = 'x';", 'TS2322'],
    ['function f() {\n  const unused = 1;\n}\nf();\nexport {};', 'TS6133'],
    ['export enum A { b }', 'TS1294'],
    ["import { B } from './b.ts';\nexport const a: B = 1;", 'TS1484'],
  ]) {
    const result = runTypes(plant({ ...base, 'a.ts': text, 'b.ts': 'export type B = number;' }).root);
    expect(result.ok, text).toBe(false);
    expect(result.output).toContain(code);
  }
});

test('unused exports: one that nobody imports, a file that nobody reaches, a package that is not declared', () => {
  const config = JSON.stringify({ entry: ['main.ts'], project: ['**/*.ts'], ignoreExportsUsedInFile: true });
  const base = {
    'package.json': manifest,
    'knip.json': config,
    'main.ts': "import { used } from './a.ts';\nused;",
  };
  expect(runUnusedExports(plant({ ...base, 'a.ts': 'export const used = 1;' }).root)).toMatchObject({
    ok: true,
  });
  const broken = {
    'a.ts': "import 'left-pad';\nexport const used = 1;\nexport const spare = 2;\nexport type Spare = 2;",
    'lonely.ts': 'export const x = 1;',
  };
  const result = runUnusedExports(plant({ ...base, ...broken }).root);
  expect(result.ok).toBe(false);
  for (const sign of ['left-pad', 'spare', 'Spare', 'lonely.ts']) expect(result.output).toContain(sign);
});
