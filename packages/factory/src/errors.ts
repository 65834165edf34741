// In: a code of error-codes.ts, what was found, and what to do. Out: the one error class of this package.
// Shells print `message` and `remedy`; nothing here prints, logs or exits.
import { ERROR_CODES, type FactoryErrorCode } from './error-codes.ts';

export interface FactoryErrorFields {
  code: FactoryErrorCode;
  /** What was expected, what was found, and where. */
  message: string;
  /** One imperative sentence that names the key, file or command that mends it. */
  remedy: string;
  details?: Record<string, unknown>;
  cause?: unknown;
}

export class FactoryError extends Error {
  readonly code: FactoryErrorCode;
  readonly remedy: string;
  readonly details: Record<string, unknown>;

  constructor(fields: FactoryErrorFields) {
    super(fields.message, fields.cause === undefined ? undefined : { cause: fields.cause });
    this.name = 'FactoryError';
    this.code = fields.code;
    this.remedy = fields.remedy;
    this.details = fields.details ?? {};
  }

  get exitCode(): number {
    return ERROR_CODES[this.code].exit;
  }
}

/** States what must hold unless our own code is wrong. The message gets the prefix "internal:". */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`internal: ${message}`);
}
