import { expect, test } from 'vitest';
import { places, plant } from './planted.ts';
import { checkThrows } from './throws.ts';

const PATH = 'packages/factory/src/store/x.ts';
const findings = (source: string, path = PATH) => checkThrows(plant({ [path]: source }));

const fields = "{ code: 'A', message: `no ${x}`, remedy: 'Set x to a number.' }";

test.each([
  ['a new typed error', `throw new FactoryError(${fields});`],
  ['one of the engine', `throw new EngineError(${fields});`],
  [
    'a declared function',
    `function bad(x: string): FactoryError { return new FactoryError(${fields}); }\nif (a) throw bad('x');`,
  ],
  [
    'a declared arrow',
    `const bad = (x: string): FactoryError => new FactoryError(${fields});\nthrow bad('x')`,
  ],
  ['an arrow that makes one', `const bad = (x: string) => new FactoryError(${fields});\nthrow bad('x');`],
  [
    'a function that calls one',
    `function a() { return b(); }\nfunction b() { const y = 1; return new FactoryError(${fields}); }\nthrow a();`,
  ],
  [
    'an awaited one',
    `async function a(): Promise<FactoryError> { return new FactoryError(${fields}); }\nthrow await a();`,
  ],
  [
    'a method',
    `class A { bad(x: string): FactoryError { return new FactoryError(${fields}); } }\nfields.bad('x'); throw fields.bad('x');`,
  ],
  ['a caught error', 'try { a(); } catch (error) { if (b) { throw error; } c(); }'],
  [
    'a variable made of one',
    `const bad = (x: string) => new FactoryError(${fields});\nconst known = e instanceof FactoryError ? e : bad('x');\nthrow known;`,
  ],
  ['a spread', "throw new FactoryError({ ...common, message: 'x' });"],
  [
    'invariant',
    'export function invariant(c: unknown, m: string) {\n  if (!c) throw new Error(`internal: ${m}`);\n}',
  ],
  ['a word in text or a member', "const s = 'throw new Error()'; // throw new Error()\ngenerator.throw(x);"],
  ['a rejection handed on', 'new Promise((resolve, reject) => reject(error));'],
])('%s passes', (_, source) => {
  expect(findings(source)).toEqual([]);
});

test.each([
  ['a plain error', "\nthrow new Error('no');", 2],
  ['a type error', "throw new TypeError('no');", 1],
  ['a string', "throw 'no';", 1],
  ['a variable of unknown origin', 'const e = make();\nthrow e;', 2],
  [
    'a function that gives no typed error',
    "function make(): Error { return new Error(''); }\nthrow make();",
    2,
  ],
  ['a caught name outside its block', 'try { a(); } catch (error) { b(); }\nthrow error;', 2],
  ['a choice', "throw a ? bad('x') : new Error('x');", 1],
  ['a member of a caught error', 'try { a(); } catch (error) { throw error.cause; }', 1],
  ['a plain error in a rejection', "new Promise((resolve, reject) => { reject(new Error('x')); });", 1],
  ['internal outside invariant', 'function other() {\n throw new Error(`internal: x`); }', 2],
  ['a throw inside a template', 'const a = `${(() => { throw new Error(""); })()}`;', 1],
])('%s is found', (_, source, line) => {
  expect(places(findings(source))).toEqual([`${PATH}:${line} throws`]);
});

test.each([
  ["{ code: 'A', message: 'x' }", 'lacks remedy'],
  ["{ message: 'x', remedy: 'Set x to a number.' }", 'lacks code'],
  ['{ code, details: { message: 1, remedy: 2 } }', 'lacks message and remedy'],
  ["{ code: 'A', message: 'x', remedy: '' }", 'has the remedy'],
  ["{ code: 'A', message: 'x', remedy: 'try again' }", 'has the remedy'],
  ["{ code: 'A', message: 'x', remedy: 'Set x to a number' }", 'has the remedy'],
  ['fields', 'object literal'],
])('a typed error with %s is found', (literal, problem) => {
  expect(findings(`const e = new FactoryError(${literal});`)).toMatchObject([
    { rule: 'throws', message: expect.stringContaining(problem) },
  ]);
});

test('a function of the file itself counts before one of the same name elsewhere', () => {
  const found = checkThrows(
    plant({
      'packages/factory/src/a.ts': `export const bad = (x: string): FactoryError => new FactoryError(${fields});`,
      'packages/factory/src/b.ts': "import { bad } from './a.ts';\nthrow bad('x');",
      'packages/factory/src/c.ts': "function bad(x: string): Error { return make(x); }\nthrow bad('x');",
    }),
  );
  expect(places(found)).toEqual(['packages/factory/src/c.ts:2 throws']);
});

test('tests and tools may throw what they like', () => {
  expect(findings("throw new Error('x');", 'packages/factory/src/x.test.ts')).toEqual([]);
  expect(findings("throw new Error('x');", 'tools/x.ts')).toEqual([]);
});
