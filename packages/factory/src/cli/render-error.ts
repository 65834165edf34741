// In: anything that was thrown. Out: the text for a person, the object for a machine, and the exit status.
// It writes nothing and ends nothing.
import { FactoryError } from '#factory/errors.ts';

export interface RenderedError {
  /** Three lines for a typed error: code and message, place, remedy. */
  text: string;
  json: { error: Record<string, unknown> };
  /** 1 a gate said no, 2 user, 3 environment, 4 a bug. */
  exitCode: number;
}

interface TypedError {
  code: string;
  message: string;
  remedy: string;
  details?: Record<string, unknown>;
}

export function renderError(error: unknown): RenderedError {
  if (error instanceof FactoryError) return renderTyped(error, error.exitCode);
  // The engine has its own class with the same fields; what it refuses is a matter of the machine.
  if (isTyped(error)) return renderTyped(error, hasExitCode(error) ? error.exitCode : 3);
  const fault = error instanceof Error ? error : new Error(String(error));
  const stack = fault.stack ?? fault.message;
  return {
    text: `error INTERNAL: ${fault.message}\n  this is a fault in the program, not in your input\n${stack}\n`,
    json: { error: { code: 'INTERNAL', message: fault.message, stack } },
    exitCode: 4,
  };
}

function renderTyped(error: TypedError, exitCode: number): RenderedError {
  const where = placeOf(error.details ?? {});
  const lines = [
    `error ${error.code}: ${error.message}`,
    ...(where === null ? [] : [`  where:  ${where}`]),
    `  remedy: ${error.remedy}`,
  ];
  return {
    text: `${lines.join('\n')}\n`,
    json: {
      error: { code: error.code, message: error.message, remedy: error.remedy, details: error.details ?? {} },
    },
    exitCode,
  };
}

function isTyped(error: unknown): error is TypedError & Error {
  if (!(error instanceof Error)) return false;
  const fields = error as Partial<TypedError>;
  return typeof fields.code === 'string' && typeof fields.remedy === 'string';
}

function hasExitCode(error: object): error is { exitCode: number } {
  return typeof (error as { exitCode?: unknown }).exitCode === 'number';
}

const PLACE_FIELDS = ['where', 'dataset', 'file', 'path', 'line', 'row', 'field', 'tensor', 'key'];

function placeOf(details: Record<string, unknown>): string | null {
  const parts = PLACE_FIELDS.filter((name) => ['string', 'number'].includes(typeof details[name])).map(
    (name) => (name === 'where' ? String(details[name]) : `${name} ${details[name]}`),
  );
  return parts.length === 0 ? null : parts.join(', ');
}
