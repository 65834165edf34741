// In: what a file operation threw while reading something of the user's. Out: the typed error under the reader's code.
// Writing has its own: disk-error.ts.
import type { FactoryErrorCode } from '#factory/error-codes.ts';
import { FactoryError } from '#factory/errors.ts';
import { errnoOf } from './disk-error.ts';

export function readError(error: unknown, path: string, code: FactoryErrorCode): FactoryError {
  if (error instanceof FactoryError) return error;
  const errno = errnoOf(error);
  const found = error instanceof Error ? error.message : String(error);
  return new FactoryError({
    code,
    message: `${path}: expected a file that can be read, found ${found}`,
    remedy: 'Check that the path is a file, that you may read it, and that its disk is healthy.',
    details: { path, errno },
    cause: error,
  });
}
