import { expect, test } from 'vitest';
import { importsOf } from './imports.ts';
import { SyntaxKind, tokenize } from './tokens.ts';

const texts = (source: string) => tokenize(source).map((token) => token.text);

test('comments and strings hide nothing and show nothing', () => {
  expect(texts("a /* throw */ b // throw\n'throw \\' x' c")).toEqual(['a', 'b', "'throw \\' x'", 'c']);
});

test.each([
  ['const a = b / c / d;', 0],
  ['const a = /[/]"/g.test(b) / 2;', 1],
  ['return /x/;', 1],
  ['if (a) /x"/.test(b);', 1],
  ['f(a) / 2 / c;', 0],
  ['x = {} / 2;', 0],
  ['a[0] / b / c', 0],
  ['type / of / 2', 0],
  ['[/a/, /b/]', 2],
  ['(a) => /c/', 1],
  ['i++ / 2 / j', 0],
])('%s has %i regular expressions', (source, count) => {
  expect(tokenize(source).filter((token) => token.kind === SyntaxKind.RegularExpressionLiteral)).toHaveLength(
    count,
  );
});

test('templates nest, and code inside a substitution is code', () => {
  const source = 'const a = `x ${b ? `y ${{ c: "}" }.c} z` : d} w`; throw e;';
  const tokens = tokenize(source);
  expect(tokens.at(-3)?.kind).toBe(SyntaxKind.ThrowKeyword);
  expect(tokens.filter((token) => token.kind === SyntaxKind.TemplateTail)).toHaveLength(2);
});

test('lines are counted from one, through templates and comments', () => {
  const tokens = tokenize('a\n/* \n\n */ b `\n\n` c');
  expect(tokens.map((token) => token.line)).toEqual([1, 4, 4, 6]);
});

test('every way to name a module is seen', () => {
  const source = `
    import './a.ts';
    import b, { c as d } from './b.ts';
    import * as e from './c.ts';
    import type { F } from './d.ts';
    import { type G } from "./e.ts"
    export * from './f.ts';
    export type { H } from './g.ts';
    export { I, J as default } from './h.ts';
    const k = await import('./i.ts');
    type L = typeof import('./j.ts');
    let m: import('./k.ts').M;
    const n = require('./l.ts');
    const o = import(name);
    const p = import(\`./m.ts\`);
    const q = import(\`./\${x}.ts\`);
    console.log(import.meta.url, x.import('./no.ts'), "import './no.ts'"); // import './no.ts'
    /* import './no.ts' */
    export { r };
    const from = './no.ts';
    export const s = { from: './no.ts' };
    export type T = { from: './no.ts' };
  `;
  const found = importsOf(tokenize(source)).map(
    ({ specifier, isDynamic }) => `${specifier}${isDynamic ? ' dynamic' : ''}`,
  );
  expect(found).toEqual([
    ...['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((name) => `./${name}.ts`),
    ...['i', 'j', 'k', 'l'].map((name) => `./${name}.ts dynamic`),
    'null dynamic',
    './m.ts dynamic',
    'null dynamic',
  ]);
});
