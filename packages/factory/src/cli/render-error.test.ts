import { describe, expect, it } from 'vitest';
import { ERROR_CODES, type FactoryErrorCode } from '#factory/error-codes.ts';
import { FactoryError } from '#factory/errors.ts';
import { renderError } from './render-error.ts';

const typed = (code: FactoryErrorCode, details?: Record<string, unknown>) =>
  new FactoryError({ code, message: 'expected a, found b', remedy: 'Write a.', details });

describe('renderError', () => {
  it('gives message, place and remedy a line each', () => {
    const details = { file: 'rows.jsonl', row: 7, field: 'output', problems: [] };
    expect(renderError(typed('DATA_BAD_FILE', details)).text).toBe(
      'error DATA_BAD_FILE: expected a, found b\n  where:  file rows.jsonl, row 7, field output\n  remedy: Write a.\n',
    );
    expect(renderError(typed('DATA_BAD_FILE')).text).toBe(
      'error DATA_BAD_FILE: expected a, found b\n  remedy: Write a.\n',
    );
  });

  it('ends with the status of the code: 1 gate, 2 user, 3 environment', () => {
    for (const [code, { kind }] of Object.entries(ERROR_CODES)) {
      const status = { gate: 1, user: 2, environment: 3 }[kind];
      expect([code, renderError(typed(code as FactoryErrorCode)).exitCode]).toEqual([code, status]);
    }
  });

  it('takes typed errors of the engine for the machine, unless they say otherwise', () => {
    const engine = Object.assign(new Error('m'), { code: 'ENGINE_LOAD', remedy: 'Run npm ci.' });
    expect(renderError(engine)).toMatchObject({
      exitCode: 3,
      text: 'error ENGINE_LOAD: m\n  remedy: Run npm ci.\n',
    });
    expect(renderError(Object.assign(engine, { exitCode: 2 })).exitCode).toBe(2);
  });

  it('calls everything else a fault, with its stack and status 4', () => {
    const fault = renderError(new TypeError('x is not a function'));
    expect(fault.exitCode).toBe(4);
    expect(fault.text).toMatch(
      /^error INTERNAL: x is not a function\n.*fault in the program.*\nTypeError: [\s\S]*at /,
    );
    expect(fault.json.error).toMatchObject({ code: 'INTERNAL', message: 'x is not a function' });
    expect(renderError('text').text).toMatch(/^error INTERNAL: text/);
    expect(renderError(undefined).exitCode).toBe(4);
  });
});
