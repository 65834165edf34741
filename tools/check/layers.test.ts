import { describe, expect, test } from 'vitest';
import { LAYERS } from './layer-table.ts';
import { checkLayers, findRings } from './layers.ts';
import { places, plant } from './planted.ts';

const F = 'packages/factory/src';
const E = 'packages/engine/src';
const messages = (files: Record<string, string>) =>
  checkLayers(plant(files)).map((finding) => finding.message);

test('the table has no ring, and names only what it knows', () => {
  for (const [name, { allowed }] of Object.entries(LAYERS)) {
    const graph = new Map(
      Object.entries(allowed).map(([from, to]) => [from, to.map((target) => ({ target, line: 1 }))]),
    );
    expect(findRings(graph), name).toEqual([]);
    const packages = Object.values(LAYERS).map((layers) => layers.name);
    for (const target of Object.values(allowed).flat())
      expect([...Object.keys(allowed), ...packages]).toContain(target);
  }
});

test('nothing imports cli, and http is started by cli alone; pipeline is imported by shells only, no step imports a step but model', () => {
  const { allowed } = LAYERS['packages/factory'];
  const importersOf = (folder: string) =>
    Object.keys(allowed).filter((from) => allowed[from].includes(folder));
  expect([importersOf('cli'), importersOf('http')]).toEqual([[], ['cli']]);
  expect(importersOf('pipeline')).toEqual(['quickstart', 'http', 'cli']);
  for (const step of ['data', 'tokens', 'train', 'adapters', 'eval', 'serve', 'feedback']) {
    // The quickstart, a shell too, reads mails with data and reports with the metrics of eval.
    const shells =
      step === 'eval' || step === 'data'
        ? ['quickstart', 'pipeline', 'http', 'cli']
        : ['pipeline', 'http', 'cli'];
    expect(importersOf(step)).toEqual(shells);
  }
  expect(importersOf('@tunesmith/engine')).toEqual(['model', 'train', 'pipeline', 'cli']);
});

test('what the table allows passes', () => {
  const findings = messages({
    [`${F}/errors.ts`]: "import type { Code } from './error-codes.ts';\nexport class FactoryError {}",
    [`${F}/error-codes.ts`]: 'export type Code = string;',
    [`${F}/records/row.ts`]:
      "import { FactoryError } from '#factory/errors.ts';\nexport const row = FactoryError;",
    [`${F}/store/save.ts`]:
      "import { row } from '#factory/records/row.ts';\nimport './deep/disk.ts';\nexport const save = row;",
    [`${F}/store/deep/disk.ts`]: 'export const disk = 1;',
    [`${F}/model/load.ts`]:
      "import { run } from '@tunesmith/engine';\nimport { join } from 'node:path';\nexport { run, join };",
    [`${F}/cli/main.ts`]: "const p = await import('#factory/pipeline.ts');\nexport { p };",
    [`${F}/pipeline.ts`]: "import { save } from './store/save.ts';\nexport const walk = save;",
    [`${F}/records/row.test.ts`]: "import { save } from '#factory/store/save.ts';\nsave;",
    [`${E}/index.ts`]: "export * from './graph/node.ts';",
    [`${E}/graph/node.ts`]: 'export const run = 1;',
    'tools/anything.ts': `import '../${F}/store/save.ts';`,
  });
  expect(findings).toEqual([]);
});

describe('planted', () => {
  test.each([
    ['a value import', "import { a } from '#factory/store/a.ts';\na;"],
    ['a type import', "import type { A } from '#factory/store/a.ts';\nexport type B = A;"],
    ['a dynamic import', "const a = await import('#factory/store/a.ts');\na;"],
    ['a type of a dynamic import', "export type B = import('#factory/store/a.ts').A;"],
    ['a re-export', "export { a } from '#factory/store/a.ts';"],
    ['a relative import', "import { a } from '../store/a.ts';\na;"],
    ['a template as name', 'const a = await import(`#factory/store/a.ts`);\na;'],
  ])('%s of a forbidden folder', (_, source) => {
    const repository = plant({
      [`${F}/records/x.ts`]: source,
      [`${F}/store/a.ts`]: 'export const a = 1;\nexport type A = 1;',
    });
    const findings = checkLayers(repository);
    expect(places(findings)).toEqual([`${F}/records/x.ts:1 layers`]);
    expect(findings[0].message).toBe('records may not import store; it may import nothing of ours');
  });

  test.each([
    ['train', 'tokens'],
    ['data', 'store'],
    ['tokens', 'model'],
    ['adapters', 'model'],
    ['store', 'pipeline'],
    ['model', 'cli'],
  ])('%s importing %s', (from, to) => {
    const findings = messages({
      [`${F}/${from}/x.ts`]: `import '#factory/${to}/y.ts';`,
      [`${F}/${to}/y.ts`]: 'export const y = 1;',
    });
    expect(findings).toEqual([expect.stringContaining(`${from} may not import ${to}`)]);
  });

  test('the engine from a folder that may not know it, past its index, or by path', () => {
    expect(messages({ [`${F}/data/x.ts`]: "import '@tunesmith/engine';" })).toEqual([
      expect.stringContaining('data may not import @tunesmith/engine'),
    ]);
    expect(messages({ [`${F}/model/x.ts`]: "import '@tunesmith/engine/src/graph/a.ts';" })).toEqual([
      expect.stringContaining('past the index'),
    ]);
    expect(
      messages({ [`${F}/model/x.ts`]: "import '../../../engine/src/a.ts';", [`${E}/a.ts`]: '' }),
    ).toEqual([expect.stringContaining('no layer "a"'), expect.stringContaining('leaves packages/factory')]);
  });

  test('engine folders against their order', () => {
    for (const [from, to] of [
      ['graph', 'grad'],
      ['grad', 'nn'],
      ['compile', 'run'],
      ['nn', 'run'],
      ['grad', 'compile'],
    ]) {
      const findings = messages({
        [`${E}/${from}/x.ts`]: `import '../${to}/y.ts';`,
        [`${E}/${to}/y.ts`]: '',
      });
      expect(findings).toEqual([expect.stringContaining(`${from} may not import ${to}`)]);
    }
  });

  test('a leaf that imports a folder, an unknown folder, a missing file, an imported test, a computed name, a private package', () => {
    expect(messages({ [`${F}/errors.ts`]: "import './records/a.ts';", [`${F}/records/a.ts`]: '' })).toEqual([
      expect.stringContaining('open to all'),
    ]);
    expect(messages({ [`${F}/helpers/a.ts`]: '' })).toEqual([expect.stringContaining('no layer "helpers"')]);
    expect(messages({ [`${F}/store/a.ts`]: "import './gone.ts';" })).toEqual([
      expect.stringContaining('names no file'),
    ]);
    expect(messages({ [`${F}/store/a.ts`]: "import './b.test.ts';", [`${F}/store/b.test.ts`]: '' })).toEqual([
      expect.stringContaining('is a test'),
    ]);
    expect(messages({ [`${F}/store/a.ts`]: 'export const load = (name: string) => import(name);' })).toEqual([
      expect.stringContaining('computed name'),
    ]);
    expect(messages({ [`${F}/model/a.ts`]: "import 'onnxruntime-node';" })).toEqual([
      expect.stringContaining('only packages/engine/src/run/'),
    ]);
    expect(
      messages({ [`${F}/store/a.ts`]: "import '#factory/store/b.ts';", [`${F}/store/b.ts`]: '' }),
    ).toEqual([expect.stringContaining('relative path')]);
  });
});

describe('rings', () => {
  test('a ring of types only', () => {
    const findings = checkLayers(
      plant({
        [`${F}/store/a.ts`]: "// one\nimport type { B } from './b.ts';\nexport type A = B;",
        [`${F}/store/b.ts`]: "import type { A } from './a.ts';\nexport type B = A;",
      }),
    );
    expect(places(findings)).toEqual([`${F}/store/a.ts:2 rings`]);
    expect(findings[0].message).toBe(`ring of imports: ${F}/store/a.ts → ${F}/store/b.ts → ${F}/store/a.ts`);
  });

  test('a ring through a dynamic import and a third file; a file that imports itself', () => {
    const findings = checkLayers(
      plant({
        [`${F}/store/a.ts`]: "import './b.ts';",
        [`${F}/store/b.ts`]: "export const c = () => import('./c.ts');",
        [`${F}/store/c.ts`]: "export type A = typeof import('./a.ts');",
        [`${F}/store/d.ts`]: "export * from './d.ts';",
        [`${F}/store/e.ts`]: "import './a.ts';",
      }),
    );
    expect(places(findings)).toEqual([`${F}/store/a.ts:1 rings`, `${F}/store/d.ts:1 rings`]);
    expect(findings[0].message).toContain('b.ts → packages/factory/src/store/c.ts → ');
  });

  test('shared imports and long chains are no ring', () => {
    const files: Record<string, string> = { [`${F}/store/f0.ts`]: '' };
    for (let i = 1; i < 30; i++) files[`${F}/store/f${i}.ts`] = `import './f${i - 1}.ts';\nimport './f0.ts';`;
    expect(checkLayers(plant(files))).toEqual([]);
  });
});
