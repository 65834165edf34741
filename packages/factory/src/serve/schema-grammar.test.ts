// What grammars allow is tried with llama.cpp in llama-engine.test.ts; here is what they are made of, and what is refused.
import { describe, expect, test } from 'vitest';
import { schemaGrammar } from './schema-grammar.ts';

describe('refuses what it cannot say, by the keyword', () => {
  const REFUSED: [string, unknown][] = [
    ['pattern', { type: 'string', pattern: 'a+' }],
    ['minimum', { type: 'integer', minimum: 1 }],
    ['multipleOf', { type: 'number', multipleOf: 2 }],
    ['uniqueItems', { type: 'array', uniqueItems: true }],
    ['patternProperties', { type: 'object', patternProperties: {} }],
    ['not', { not: { type: 'null' } }],
    ['allOf', { allOf: [{ type: 'object' }, { type: 'object' }] }],
    ['format: hostname', { type: 'string', format: 'hostname' }],
    ['$ref: other.json', { $ref: 'other.json' }],
    ['$ref: #/$defs/none', { $ref: '#/$defs/none' }],
    ['required', { type: 'object', properties: { a: true }, required: ['b'] }],
    ['type: text', { type: 'text' }],
    ['maxLength: 5000', { type: 'string', maxLength: 5000 }],
    ['maxItems', { type: 'array', minItems: 3, maxItems: 2 }],
    ['enum', { enum: [] }],
    ['false', { type: 'object', properties: { a: false } }],
    ['schema', 'text'],
  ];
  test.each(REFUSED)('%s', (keyword, schema) => {
    const found = errorOf(() => schemaGrammar(schema));
    expect(found).toMatchObject({ code: 'SERVE_ASK', details: { parameter: 'response_format' } });
    expect(found?.message).toContain(`"${keyword}"`);
  });

  test('a schema that is nested without an end', () => {
    let schema: unknown = {};
    for (let i = 0; i < 1000; i++) schema = { type: 'array', items: schema };
    expect(errorOf(() => schemaGrammar(schema))?.message).toContain('deep');
  });

  test('a keyword deep inside is found with its place', () => {
    const schema = {
      type: 'object',
      properties: { a: { type: 'array', items: { type: 'string', pattern: 'x' } } },
    };
    expect(errorOf(() => schemaGrammar(schema))?.message).toContain('#/properties/a/items');
  });
});

test('annotations say nothing, and names become literals of JSON', () => {
  const grammar = schemaGrammar({
    $schema: 'x',
    title: 'y',
    description: 'z',
    type: 'object',
    properties: { 'a "b" \\': { const: 'line\n' } },
    required: ['a "b" \\'],
  });
  expect(grammar).toContain(JSON.stringify(JSON.stringify('a "b" \\')));
  expect(grammar).toContain(String.raw`"\"line\\n\""`);
});

test('a schema that refers to itself is a rule that refers to itself', () => {
  const tree = {
    type: 'object',
    properties: { next: { anyOf: [{ $ref: '#' }, { type: 'null' }] } },
    required: ['next'],
  };
  const rules = schemaGrammar(tree).split('\n');
  expect(rules.filter((rule) => rule.startsWith('ref0 ::='))).toHaveLength(1);
});

function errorOf(run: () => unknown) {
  try {
    run();
  } catch (error) {
    return error as { code: string; message: string; details: unknown };
  }
  return undefined;
}
