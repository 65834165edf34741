// In: a code of error-codes.ts, what was found, and what to do. Out: the one error class of this package.
import type { EngineErrorCode } from './error-codes.ts';

export class EngineError extends Error {
  readonly code: EngineErrorCode;
  readonly remedy: string;
  readonly details: Record<string, unknown>;

  constructor(fields: {
    code: EngineErrorCode;
    /** What was expected, what was found, and where. */
    message: string;
    /** One imperative sentence. */
    remedy: string;
    details?: Record<string, unknown>;
    cause?: unknown;
  }) {
    super(fields.message, fields.cause === undefined ? undefined : { cause: fields.cause });
    this.name = 'EngineError';
    this.code = fields.code;
    this.remedy = fields.remedy;
    this.details = fields.details ?? {};
  }
}

/** States what must hold unless our own code is wrong. The message gets the prefix "internal:". */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`internal: ${message}`);
}
